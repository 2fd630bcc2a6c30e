"""Fields of records as Channel Access shows them: made when a client connects to one, and gone with the last one."""

from __future__ import annotations

from pixieioc.ioc.ca import dbr
from pixieioc.ioc.ca.view import View
from pixieioc.ioc.records.fields import FieldRecord, field_of
from pixieioc.pvinfo.model import PvInfo

#: The type in Channel Access of whole numbers that is not LONG; it has none for those of more bits, which are DOUBLE.
_NATIVE = {"SHORT": dbr.SHORT, "UCHAR": dbr.CHAR}


def find_field(view: View, name: str) -> View | None:
    """The field `name` of a record, as in `EGU` or `DESC$`; None if it has none such."""
    field = field_of(view.record.info, name)
    if field is None:
        return None
    found = view.fields.get(name)
    if found is None:
        found = view.fields[name] = _FieldView(view, FieldRecord(view.record, name, field))
    return found


def has_field(info: PvInfo, name: str) -> bool:
    """Whether a record has a field, or a field as a long string (`$`)."""
    return field_of(info, name) is not None


class _FieldView(View):
    """A field, whose record follows that of another view."""

    def __init__(self, parent: View, record: FieldRecord) -> None:
        self._parent = parent  # for as long as a client has it
        self._field = record
        super().__init__(record)
        self.native = _NATIVE.get(record.field.type, self.native)

    def follow(self, events: int) -> None:
        """Takes over what the record is now."""
        self._field.take_over()
