import pytest

from vision_customization.components.azure.args import AzureArgs, EngineSize
from vision_customization.components.given import args_of
from vision_customization.components.local.workspace import LocalArgs


def test_a_dataclass_stays() -> None:
    args = LocalArgs("here")
    assert args_of(LocalArgs, args) is args


def test_a_dictionary_becomes_the_dataclass_with_those_in_it() -> None:
    given = {"base": "vision", "image": "engine:1", "engine": {"cpu": 2.0}, "tags": {"a": "b"}}
    assert args_of(AzureArgs, given) == AzureArgs("vision", "engine:1", engine=EngineSize(cpu=2.0), tags={"a": "b"})


@pytest.mark.parametrize("given", [{}, {"data_dir": "here", "prot": 1}])
def test_what_is_missing_or_unknown_is_an_error(given: dict[str, object]) -> None:
    with pytest.raises(TypeError, match=r"data_dir|prot"):
        args_of(LocalArgs, given)
