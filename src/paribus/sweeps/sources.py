"""Where the jobs of a sweep come from: a grid has them all from the start, a search makes them of what came before."""

from collections import deque

from paribus.errors import ConfigError
from paribus.sweeps.manifest import OVER, Job, Manifest, job_folder
from paribus.sweeps.space import Space
from paribus.sweeps.study import Proposal, Search


class Grid:
    """The jobs that are still to be run."""

    def __init__(self, jobs: list[Job]) -> None:
        self._waiting = deque(jobs)

    def next(self) -> Job | None:
        """The next one."""
        return self._waiting.popleft() if self._waiting else None

    def over(self, job: Job) -> None:
        """Nothing follows from it."""


class Trials:
    """A search: jobs are asked for one at a time, or `batch` at a time once all before them are over."""

    def __init__(self, manifest: Manifest, space: Space, search: Search, batch: int | None, trials: int) -> None:
        self._manifest, self._space, self._search = manifest, space, search
        self._batch, self._trials = batch, trials
        self._waiting = deque(job for job in manifest.jobs if job.state not in OVER)
        self._going_on = 0  # jobs that were given out
        known = {job.trial for job in manifest.jobs}
        for proposal in search.trials():
            if proposal.trial not in known:  # a kill came between asking and writing it down
                self._make(proposal)
        self._complete_batch()
        for job in manifest.jobs:
            if job.state in OVER and job not in self._waiting:
                self._tell(job)  # and here between its end and telling so

    def next(self) -> Job | None:
        """The next one; None while those of a batch are at work, and at the end."""
        if not self._waiting and not (self._batch and self._going_on):
            while not self._waiting and len(self._manifest.jobs) < self._trials:
                self._make(self._search.ask())
                self._complete_batch()
        if not self._waiting:
            return None
        self._going_on += 1
        return self._waiting.popleft()

    def over(self, job: Job) -> None:
        """Let the search learn from it."""
        self._going_on -= 1
        self._tell(job)

    def _complete_batch(self) -> None:
        """Ask for the rest of a batch that was begun, before anything is learned from the first of it."""
        jobs = self._manifest.jobs
        while self._batch and len(jobs) % self._batch and len(jobs) < self._trials:
            self._make(self._search.ask())

    def _make(self, proposal: Proposal) -> None:
        """A new job of the manifest. Values that do not go together make one that has failed."""
        number = len(self._manifest.jobs)
        folder, values = job_folder(number, self._trials), proposal.values
        try:
            checked, overrides = self._space.config(values)
            job = Job(number, values, checked.seed, checked.text, overrides, folder, trial=proposal.trial)
            self._waiting.append(job)
        except ConfigError as error:
            job = Job(number, values, 0, "", [], folder, "failed", error=str(error), trial=proposal.trial)
            self._tell(job)
        self._manifest.jobs.append(job)
        self._manifest.write()

    def _tell(self, job: Job) -> None:
        figures = [job.result[name] for name in self._manifest.metrics] if job.state == "done" else None
        assert job.trial is not None
        self._search.tell(job.trial, job.state, figures)
