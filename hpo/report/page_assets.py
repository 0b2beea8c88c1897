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
h3 { font-size: 1rem; line-height: 1.3; margin: 20px 0 6px; }
h1, h2, h3, p, td, th, dd, li { overflow-wrap: anywhere; }
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
.answers { margin: 0; max-width: 75ch; }
.answers dt { font-weight: 600; }
.answers dd { margin: 0 0 10px; color: #3e4c59; }
.items { margin: 0 0 12px; padding-left: 20px; max-width: 75ch; color: #3e4c59; }
.warning { padding: 6px 12px; border-left: 4px solid #d55e00; background: #fdf3ec; }
.views {
  display: grid; gap: 4px 20px; margin-bottom: 8px;
  grid-template-columns: repeat(auto-fit, minmax(min(100%, var(--least)), 1fr));
}
.views > * { min-width: 0; }
pre {
  margin: 0 0 12px; padding: 10px 12px; overflow-x: auto; background: #f5f7fa;
  font: 0.85rem/1.45 ui-monospace, SFMono-Regular, Menlo, Consolas, monospace;
}
summary { cursor: pointer; padding: 4px 0; color: #005a8c; }
.scroll { overflow-x: auto; }
.figure { width: 100%; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: 5px 24px 5px 0; text-align: left; border-bottom: 1px solid #e4e7eb; }
td:last-child, th:last-child { padding-right: 0; }
thead th { color: #616e7c; font-weight: 500; font-size: 0.875rem; }
tbody th { font-weight: 500; min-width: 9ch; }
.named tbody th { min-width: 15ch; }
.named td { min-width: 12ch; }
.wordy tbody th { min-width: 7ch; }
.wordy td:last-child { min-width: 32ch; }
@media (max-width: 700px) {
  main { padding: 16px 14px 32px; }
  h1 { font-size: 1.4rem; }
  section { margin-top: 28px; }
  th, td { padding-right: 14px; }
}
@page { margin: 14mm; }
@media print {
  nav { display: none; }
  main { max-width: none; padding: 0; }
  .scroll { overflow: visible; }
  .figure { min-width: 0 !important; }
  .modebar { display: none !important; }
  section { break-inside: auto; margin-top: 24px; }
  h2, h3, section > p { break-after: avoid; }
  .figure, p, tr, dd, .facts, .warning { break-inside: avoid; }
  pre { white-space: pre-wrap; overflow-wrap: anywhere; }
  .views { grid-template-columns: repeat(2, 330px); }
}
"""

# What a phone gets otherwise: the changes of layout that a figure has for it, and no
# zooming by drag, which would keep the page from being scrolled.
SCRIPT = """
"use strict";
(function () {
  const phone = window.matchMedia("(max-width: 700px)");
  // Without a pointer that hovers, the bar of buttons would cover captions for good.
  const hovers = window.matchMedia("(hover: hover)");
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
      displayModeBar: phone.matches || !hovers.matches ? false : "hover",
      modeBarButtonsToRemove: ["select2d", "lasso2d", "autoScale2d"],
    };
    Plotly.react(box, JSON.parse(JSON.stringify(figure.data)), layout, config);
  }

  function drawAll() {
    boxes.forEach((box, index) => draw(box, figures[index]));
  }

  function fit(width, half) {
    boxes.forEach((box) => {
      const wanted = box.closest(".views") ? half : width;
      box.parentNode.style.width = wanted ? wanted + "px" : "";
      // At once: paper does not wait for a figure that is drawn later.
      Plotly.relayout(
        box, wanted ? { width: wanted } : { width: null, autosize: true });
    });
    document.querySelectorAll("details").forEach((part) => {
      part.open = width > 0 || part.dataset.open === "yes";
    });
  }

  boxes.forEach((box) => box.replaceChildren());
  drawAll();
  phone.addEventListener("change", drawAll);
  window.addEventListener("beforeprint", () => {
    document.querySelectorAll("details").forEach((part) => {
      part.dataset.open = part.open ? "yes" : "no";
    });
    fit(680, 330);
  });
  window.addEventListener("afterprint", () => fit(0, 0));
})();
"""
