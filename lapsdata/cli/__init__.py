"""The command `lapsdata`: one thin file per verb, whose attribute `PLUGIN` is a function or a typer app."""
