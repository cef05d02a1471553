"""How a sweep ended."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Report:
    """What is in the store now, and what this process has done for it."""

    store: str
    points: int
    """Points of the sweep."""
    stored: int
    """Points that are in the store, computed by whomever."""
    computed: int
    """Points that this process has computed."""
    nan: int
    """Points in the store with a NaN."""
    failed: dict[str, str]
    """What chunks raised that are not in the store."""
    preparation: float
    """Seconds until the first chunk was begun: tracing, compiling, opening the store."""
    seconds: float
    """Seconds from then on."""

    def __str__(self) -> str:
        words = [f"{self.stored} of {self.points} points are in {self.store}"]
        if self.computed:
            words[0] += f", {self.computed} of them computed here in {self.seconds:.3g} s "
            words[0] += f"({self.computed / self.seconds:.3g} per second) after {self.preparation:.3g} s of preparation"
        if self.nan:
            words.append(f"{self.nan} points are NaN (status 2)")
        if self.failed:
            chunk, message = next(iter(self.failed.items()))
            words.append(
                f"{len(self.failed)} chunks failed and are missing; the same call tries them again. "
                f"Chunk {chunk} raised {message}"
            )
        return ".\n".join(words) + "."


class ChunksFailed(RuntimeError):
    """Some chunks raised; everything else is in the store. `report` says what is there."""

    def __init__(self, report: Report) -> None:
        self.report = report
        RuntimeError.__init__(self, str(report))
