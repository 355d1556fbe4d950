"""The directories of a run, as the user named them."""

from __future__ import annotations

from pathlib import Path

from tdl_sync.options.config import Places


def test_all_that_is_made_in_the_data_directory_is_known_as_ours() -> None:
    """What is not makes the directory look like another program's, which is not touched."""
    places = Places(Path("/data"), Path("/elsewhere"))
    properties = [name for name, of in vars(Places).items() if isinstance(of, property)]
    made = {getattr(places, name) for name in properties if name != "inside"}
    assert set(places.inside) == made
    assert {path.parent for path in made} == {Path("/data")}
