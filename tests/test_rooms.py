"""What rooms and modules use of each other, beside what the contracts of imports say."""

from __future__ import annotations

from docs.architecture_page import imports


def test_a_name_with_a_leading_underscore_is_used_in_its_own_module_only() -> None:
    found = list(imports())
    assert len(found) > 1000
    private = [(str(file), module, name) for file, module, name in found if name.startswith("_")]
    assert private == []
    assert [(str(file), module) for file, module, _ in found if "._" in module] == []
