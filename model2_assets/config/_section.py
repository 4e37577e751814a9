"""What all sections of a configuration have in common."""

from typing import TypeVar

from pydantic import BaseModel, ConfigDict, ValidationInfo, field_validator


class Section(BaseModel):
    """Settings that cannot be changed, without unknown keys, infinities and NaN."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    @field_validator("*", mode="before")
    @classmethod
    def _no_switch_for_a_number(cls, value: object, info: ValidationInfo) -> object:
        """Refuse true and false where a number belongs: YAML reads ``on`` and ``yes`` as true."""
        kind = cls.model_fields[str(info.field_name)].annotation
        values = value if isinstance(value, list | tuple) else [value]
        if kind in _NUMBERS and any(isinstance(one, bool) for one in values):
            raise ValueError("a number belongs here")
        return value


_NUMBERS = (int, float, int | None, float | None)

SectionT = TypeVar("SectionT", bound=Section)
