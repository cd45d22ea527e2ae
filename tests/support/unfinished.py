"""A measurement that was stopped before it was finished."""

from contextlib import contextmanager, suppress

from pruning_oracle.oracle.resume import Units


@contextmanager
def unfinished(out, setting):
    """Holds the units of a setting in a block that then fails, as a stopped measurement does, so that their files stay."""
    with suppress(ZeroDivisionError), Units(out, setting).hold() as units:
        yield units
        raise ZeroDivisionError
