"""Style and script of every page, as they stand in it."""

STYLE = """
:root { color-scheme: light; }
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; scroll-behavior: smooth; }
body {
  margin: 0; background: #fff; color: #1f2933;
  font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", Arial,
    sans-serif;
}
main { max-width: 1120px; margin: 0 auto; padding: 24px 20px 48px; }
h1 { font-size: 1.75rem; line-height: 1.2; margin: 0 0 12px; }
h2 { font-size: 1.15rem; line-height: 1.3; margin: 0 0 8px; }
h1, h2, p, td, th { overflow-wrap: anywhere; }
td { min-width: 10ch; }
p { margin: 0 0 8px; max-width: 75ch; color: #3e4c59; }
section { margin-top: 36px; break-inside: avoid; }
nav ul { display: flex; flex-wrap: wrap; gap: 4px 20px; margin: 0; padding: 0; }
nav { margin: 0 0 20px; padding: 8px 0; border-bottom: 1px solid #e4e7eb; }
nav li { list-style: none; }
a { color: #005a8c; }
.facts { display: flex; flex-wrap: wrap; gap: 12px 40px; margin: 0 0 20px; }
.facts div { display: flex; flex-direction: column-reverse; }
.facts dt { color: #616e7c; font-size: 0.875rem; }
.facts dd { margin: 0; font-size: 1.5rem; font-weight: 600; line-height: 1.2; }
.scroll { overflow-x: auto; }
.figure { width: 100%; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: 5px 24px 5px 0; text-align: left; border-bottom: 1px solid #e4e7eb; }
td:last-child, th:last-child { padding-right: 0; }
thead th { color: #616e7c; font-weight: 500; font-size: 0.875rem; }
tbody th { font-weight: 500; min-width: 9ch; }
@media (max-width: 700px) {
  main { padding: 16px 14px 32px; }
  h1 { font-size: 1.4rem; }
  section { margin-top: 28px; }
}
@media print {
  nav { display: none; }
  main { max-width: none; padding: 0; }
  .scroll { overflow: visible; }
  .figure { min-width: 0 !important; }
  .modebar { display: none !important; }
}
"""

# What a phone gets otherwise: the changes of layout that a figure has for it, and no
# zooming by drag, which would keep the page from being scrolled.
SCRIPT = """
"use strict";
(function () {
  const phone = window.matchMedia("(max-width: 700px)");
  const boxes = Array.from(document.querySelectorAll(".figure"));
  const figures = boxes.map(
    (box) => JSON.parse(box.querySelector("script").textContent));

  function put(layout, path, value) {
    const keys = path.split(".");
    const last = keys.pop();
    let place = layout;
    for (const key of keys) {
      place = place[key] = place[key] || {};
    }
    place[last] = value;
  }

  function draw(box, figure) {
    const layout = JSON.parse(JSON.stringify(figure.layout));
    if (phone.matches) {
      layout.dragmode = false;
      const changes = (layout.meta || {}).narrow || {};
      for (const path of Object.keys(changes)) {
        put(layout, path, changes[path]);
      }
    }
    box.style.height = layout.height + "px";
    const config = {
      responsive: true,
      displaylogo: false,
      displayModeBar: phone.matches ? false : "hover",
      modeBarButtonsToRemove: ["select2d", "lasso2d", "autoScale2d"],
    };
    Plotly.react(box, JSON.parse(JSON.stringify(figure.data)), layout, config);
  }

  function drawAll() {
    boxes.forEach((box, index) => draw(box, figures[index]));
  }

  function fit(width) {
    boxes.forEach((box) => {
      box.parentNode.style.width = width;
      Plotly.Plots.resize(box);
    });
  }

  boxes.forEach((box) => box.replaceChildren());
  drawAll();
  phone.addEventListener("change", drawAll);
  window.addEventListener("beforeprint", () => fit("680px"));
  window.addEventListener("afterprint", () => fit(""));
})();
"""
