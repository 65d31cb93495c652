"""What is shown on the screen while something goes on."""

from rich.console import Console

from paribus.output import discard


class Lasting(Console):
    """Outlives its reader: where the pipe is closed, as by `| head`, the work goes on unseen."""

    def on_broken_pipe(self) -> None:
        """Print nowhere from now on."""
        discard()
        self.quiet = True


def duration(seconds: float) -> str:
    """As minutes and seconds, with hours where there are any: 1:05, 2:00:05."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
