"""The hyperparameters of one network, complete and typed, for both MLP families.

It turns params into a `Settings`: defaults filled in, widths written out. It checks
nothing (`hpo.models.vocabulary` does) and knows no library.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

from hpo.models.vocabulary import VOCABULARY
from hpo.records import Params, ParamValue


@dataclass(frozen=True)
class Settings:
    """One network; fields are described in `hpo.models.vocabulary`, except:

    Args:
        widths: Neurons of each hidden layer; empty for a linear model.
        epsilon: None for the library's own.
    """  # noqa: D415

    widths: tuple[int, ...]
    activation: str
    l2: float
    optimizer: str
    learning_rate: float
    momentum: float
    nesterov: bool
    beta_1: float
    beta_2: float
    epsilon: float | None
    rho: float
    batch_size: int
    epochs: int
    patience: int | None
    random_state: int | None
    l1: float
    dropout: float
    batch_norm: bool
    initializer: str
    output_activation: str

    @classmethod
    def of(cls, params: Params) -> Settings:
        """Read ``params``; a missing hyperparameter has its default."""
        values = {
            entry.name: _typed(params.get(entry.name, entry.default), entry.kind)
            for entry in VOCABULARY
        }
        values["widths"] = _widths(params, values)  # type: ignore[assignment]
        wanted = {field.name for field in fields(cls)}
        return cls(**{k: v for k, v in values.items() if k in wanted})  # type: ignore[arg-type]

    def seed(self, given: int) -> int:
        """Return the user's own seed if there is one, else the ``given`` one."""
        return given if self.random_state is None else self.random_state


def _widths(params: Params, values: dict[str, ParamValue]) -> tuple[int, ...]:
    n_layers = int(values["hidden_layers"] or 0)
    return tuple(
        int(params.get(f"units_{layer}", values["units"]) or 0)
        for layer in range(n_layers)
    )


def _typed(value: ParamValue, kind: str) -> ParamValue:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return int(value) if kind == "int" else float(value)
    return value
