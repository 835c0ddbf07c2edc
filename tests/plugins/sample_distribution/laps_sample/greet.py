"""A verb: a plain function that typer can read."""

from typing import Annotated

import typer

from lapsdata import console
from lapsdata.errors import Problem, SchemaError


def greet(name: str, loud: Annotated[bool, typer.Option(help="In capitals.")] = False) -> None:
    """Greet somebody."""
    if not name:
        raise SchemaError(Problem("empty", "name", "expected a name, got ''"))
    console.write(f"hello {name.upper() if loud else name}")
