"""A plan: the hypothesis of an experiment, written down before there is a result."""

from __future__ import annotations

import dataclasses
import enum
import hashlib
import itertools
from functools import lru_cache
from typing import TYPE_CHECKING, Final, TypeVar

from gitexp.model import dataclass, fields, replace
from gitexp.model.ids import CommitHash, ParamValue, PlanDigest

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping
    from collections.abc import Set as AbstractSet
    from datetime import datetime


PlanT = TypeVar("PlanT", bound="PlanTerms | Terms")

MAX_REPEATS: Final = 100_000  # of a plan: what comes from a branch must not ask for the impossible
MAX_LOOKS: Final = 20
_SPARE: Final = 8  # seeds, where a plan of few repeats finds some of its own spent
MOST_UNSEEN: Final = 1_000  # of them in a row that no run has, whatever a branch plans
_UNSEALED: Final = PlanDigest("")
ALPHA: Final = 0.05  # where nobody names another
REPEATS: Final = 10  # likewise, of the claim about a method
WITHHELD: Final = "withheld"  # stands for whoever is named in no record
ALPHA_BELOW: Final = 0.5  # a test that errs as often as a coin says nothing
ALPHAS: Final = "above 0 and below 0.5; 0.05 is usual"
MOST_AMENDMENTS: Final = 200  # in one plan's file
OLDER_RULES: Final = "by the rules of older plans: evaluator not frozen, re-splits not looked for"
RULES: Final = 2  # the newest by which a plan may be judged; its own are fixed in it


class Direction(enum.Enum):
    """Which way a metric is better."""

    MAX = "max"
    MIN = "min"


class Claim(enum.Enum):
    """What a hypothesis speaks of."""

    MODEL = "model"  # these two trained artefacts, on this evaluation set
    METHOD = "method"  # the recipe; needs repeats


class HypothesisKind(enum.Enum):
    """The shape of the promised effect.

    A superiority hypothesis with a negative margin is one of non-inferiority.
    """

    SUPERIORITY = "superiority"
    EQUIVALENCE = "equivalence"
    TWO_SIDED = "two-sided"


class StoppingRule(enum.Enum):
    """How a run may be looked at before it is complete."""

    OBRIEN_FLEMING = "obrien-fleming"
    POCOCK = "pocock"
    ALWAYS_VALID = "always-valid"


class OnFailed(enum.Enum):
    """What a comparison does about repeats that failed."""

    REFUSE = "refuse"  # no yes while one of them is missing
    DROP = "drop"  # goes on without them, and shows the best and the worst case


class SeedOrigin(enum.Enum):
    """Where the seeds of a plan come from."""

    DRAWN = "drawn"  # with the plan: nobody had seen a result of them
    COMMITTED = "committed"  # those of the project, which are public, from the committed one on


@dataclass(frozen=True, slots=True)
class PlanSeeds:
    """Which seeds count for a plan: on both sides the same ones, in one order."""

    root: str = ""  # 128 bits in hexadecimal digits; "" where they are the committed ones

    @property
    def origin(self) -> SeedOrigin:
        """Where they come from."""
        return SeedOrigin.DRAWN if self.root else SeedOrigin.COMMITTED

    def sequence(self, stream: str = "") -> Iterator[int]:
        """Yield the seeds of a root: 31 bits each, none of them 0, none twice.

        `stream`: ``"/explore"`` for runs beside the plan, which get seeds of their own.

        >>> list(itertools.islice(PlanSeeds("00" * 16).sequence(), 2))
        [986884069, 488897385]
        """
        known, more = _known_seeds(stream, self.root)
        for number in itertools.count():
            if number == len(known):
                known.append(next(more))
            yield known[number]

    def until(self, seeds: Collection[int]) -> list[int]:
        """Return the sequence up to the last of some seeds, or to the last before a long gap."""
        found: list[int] = []
        last, left = 0, len(seeds)
        for seed in self.sequence():
            if not left or len(found) - last > MOST_UNSEEN:
                break
            found.append(seed)
            if seed in seeds:
                last, left = len(found), left - 1
        return found[:last]


@lru_cache(maxsize=64)
def _known_seeds(stream: str, root: str) -> tuple[list[int], Iterator[int]]:
    """Return what was asked for of a root's seeds, to which what comes next is added."""
    return [], _seeds(stream, root)


def _seeds(stream: str, root: str) -> Iterator[int]:
    given = {0}
    for number in itertools.count():
        text = f"gitexp/seeds@1{stream} {root} {number}"
        seed = int.from_bytes(hashlib.sha256(text.encode("ascii")).digest()[:4], "big") >> 1
        if seed not in given:
            given.add(seed)
            yield seed


@dataclass(frozen=True, slots=True)
class Stopping:
    """A rule for looking early, fixed before there is a result."""

    rule: StoppingRule
    # Equally spaced, the last at the planned repeats; 0 for always-valid p-values, which may be
    # looked at after every repeat.
    looks: int = 0

    def at(self, repeats: int) -> tuple[int, ...]:
        """Return the numbers of repeats after which a plan of so many is looked at.

        >>> Stopping(StoppingRule.POCOCK, 4).at(10)
        (3, 5, 8, 10)
        """
        if self.rule is StoppingRule.ALWAYS_VALID:
            return tuple(range(1, repeats + 1))
        return tuple(-(-look * repeats // self.looks) for look in range(1, self.looks + 1))


@dataclass(frozen=True, slots=True)
class Effect:
    """The promised gain: how much better, in the metric's own direction, the candidate is."""

    kind: HypothesisKind
    # Smallest promised gain. Positive means better, whatever the direction: a loss that falls by 5
    # % has margin 0.05. In the unit of the metric, or a share of the baseline's mean.
    margin: float
    relative: bool  # whether `margin` is a share of the baseline (0.05 for "5 %")
    strict: bool = False  # ``>`` instead of ``>=``; the test is the same, the sentence is not

    @property
    def one_sided(self) -> bool:
        """Whether only one direction is promised, or two are tested each by itself."""
        return self.kind is not HypothesisKind.TWO_SIDED

    def level(self, alpha: float) -> float:
        """Return the alpha of each one-sided test: half of it for a two-sided hypothesis."""
        return alpha if self.one_sided else alpha / 2


@dataclass(frozen=True, slots=True)
class Guard:
    """A metric that must not get worse: ``latency_ms<=+5%``, against the baseline.

    `margin` is the largest change tolerated, signed, in the metric's unit or as a share of the
    baseline's mean; ``op`` is the side on which the change has to stay.
    """

    metric: str
    op: str  # "<=" or ">="
    margin: float
    relative: bool


@dataclass(frozen=True, slots=True)
class FailureRule:
    """When a finished run is called a failure: ``f1<0.3``, in the metric's unit."""

    metric: str
    op: str  # "<", "<=", ">" or ">="
    limit: float


@dataclass(frozen=True, slots=True)
class Person:
    """Who did it, as Git names people."""

    name: str
    email: str

    @property
    def marks(self) -> frozenset[str]:
        """What commits and records may call him; nothing that names nobody."""
        every = self.name, self.email, covered(self.email or self.name)
        return frozenset(name.casefold() for name in every) - {"", WITHHELD}


def covered(value: str) -> str:
    """Return the digest by which records may call a person or a machine."""
    return hashlib.sha256(f"gitexp identity {value}".encode()).hexdigest()[:12]


@dataclass(frozen=True, slots=True)
class BaselineRef:
    """What the candidate is held against."""

    name: str  # as the author typed it, e.g. "main"
    commit: CommitHash


@dataclass(frozen=True, slots=True)
class Amendment:
    """What bound in a plan before it was changed after its first run, and why it was."""

    digest: PlanDigest  # of the plan before
    why: str
    by: Person
    at: datetime  # UTC
    old: Mapping[str, ParamValue]  # what bound otherwise, as the plan's file said it
    # no baseline repeat that was seen beside a candidate before counts any more; older ones lack it
    fresh: bool = False

    def __hash__(self) -> int:
        """Return one that also serves for what bound, which is a mapping."""
        return hash((self.digest, self.why, self.at, frozenset(self.old.items())))


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanTerms:
    """What binds in a plan: its digest covers just this.

    A term that has a default is written, and in the digest, only where it says something else: so
    older plans keep their digests. `Terms` has the same ones as a person asks for them.
    """

    claim: Claim
    metric: str
    direction: Direction
    effect: Effect
    alpha: float
    repeats: int
    guards: tuple[Guard, ...]
    baseline: BaselineRef  # of which the commit binds, and not its name
    evaluation: tuple[str, ...]  # declared evaluation paths, or the predictions file
    stopping: Stopping | None = None
    on_failed: OnFailed = OnFailed.REFUSE
    seeds: PlanSeeds | None = None  # None: of a time before plans said it; the committed ones
    rules: int = 1  # by which its runs count; 1: those of a time before plans said it
    # what no candidate may change beside its own evaluator; "none": nor is that frozen
    frozen: tuple[str, ...] = ()
    unfrozen: tuple[str, ...] = ()  # of that what both sides take from the candidate
    guards_shown: bool = False  # whether a yes needs each guard-rail shown to be kept
    failure: str = ""  # the `FailureRule` by which finished repeats failed, as text
    test: str = ""  # of repeats that pair, where it is not the usual one

    @property
    def freezes(self) -> bool:
        """Whether both sides are measured by one evaluator."""
        return self.rules > 1

    @property
    def ends_seeds(self) -> bool:
        """Whether a seed that is dropped has ended: nothing stands in for it, nor is it healed."""
        return self.rules > 1 and self.seeds is not None and bool(self.seeds.root)

    @property
    def lent(self) -> tuple[str, ...]:
        """What a baseline takes of its candidate's evaluator."""
        return self.unfrozen if self.freezes else ()


TERMS: Final = tuple(item.name for item in fields(PlanTerms))
LATER_TERMS: Final = tuple(
    item.name for item in fields(PlanTerms) if item.default is not dataclasses.MISSING
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan(PlanTerms):
    """The recorded plan of one experiment: its terms, and prose that may be mended.

    `formerly` are the names that the experiment had: what was run under them was run under this
    plan. What was run before an amendment was run under another one.
    """

    name: str
    branch: str  # short branch name on which the experiment lives
    objective: str
    hypothesis: str
    author: Person
    created_at: datetime  # UTC
    digest: PlanDigest = _UNSEALED  # of its terms, once `records.plan.sealed` has checked them
    formerly: tuple[str, ...] = ()
    amended: tuple[Amendment, ...] = ()  # the oldest first

    @property
    def drawn(self) -> PlanSeeds | None:
        """The seeds that were drawn with the plan; None where they are the committed ones."""
        return self.seeds if self.seeds is not None and self.seeds.root else None

    def likely_seeds(self, seen: AbstractSet[int] = frozenset()) -> frozenset[int]:
        """Return, of the seeds that were drawn with it, those that it may come to.

        `seen`: what any run has. As far as that goes the plan may have to go on.
        """
        more = min(self.repeats + _SPARE, MOST_UNSEEN)
        found, many = list[int](), min(2 * self.repeats + _SPARE, MOST_UNSEEN)
        for seed in self.drawn.sequence() if self.drawn else ():
            if len(found) >= many:
                break
            found.append(seed)
            if seed in seen:
                many = max(many, len(found) + max(more, len(found)))
        return frozenset(found)

    @property
    def older_rules(self) -> str:
        """What is not looked for where a plan draws seeds by older rules; "" where all is."""
        return OLDER_RULES if self.drawn is not None and self.rules == 1 else ""

    @property
    def fewest(self) -> int:
        """Repeats a side below which nothing is judged: the first look, else all planned ones."""
        if self.stopping is None:
            return self.repeats
        if self.stopping.rule is StoppingRule.ALWAYS_VALID:
            return min(2, self.repeats)
        return self.stopping.at(self.repeats)[0]

    def leaves_out(self, group: str) -> bool:
        """Whether a run on the plan's branch explores: a sweep is none of its candidates."""
        return self.rules > 1 and bool(group)

    @property
    def versions(self) -> tuple[PlanDigest, ...]:
        """The digests that it had, and has."""
        return (*(each.digest for each in self.amended), self.digest)

    def since(self, before: Plan) -> list[Amendment]:
        """Return the amendments that an older version, or another line's, has not."""
        known = {*before.amended}
        return [item for item in self.amended if item not in known]

    def keeps(self, before: Plan) -> bool:
        """Return whether all amendments of an older version are in it, in their order."""
        rest = iter(self.amended)
        return all(item in rest for item in before.amended)

    def tells(self, before: Plan) -> bool:
        """Return whether it says of an older version that there was one, and how it came about."""
        return self.keeps(before) and before.digest in self.versions

    def covers(self, name: str, digest: str) -> bool:
        """Return whether a run that was recorded for such a plan is one of this plan.

        A twin with the same terms under another name is another hypothesis: were its runs this
        plan's, the best of ten variants tried under the one would count for the other unseen.
        """
        return digest == self.digest and (name == self.name or name in self.formerly)

    def was_baseline(self, commit: str, digest: str) -> bool:
        """Return whether the version of a digest had a commit as its baseline.

        That another version had is no matter: else what was tried is free once one names it.
        """
        named = str(self.baseline.commit)
        found = {named} if digest == self.digest else set[str]()
        for each in reversed(self.amended):
            named = str(each.old.get("baseline", named))
            found |= {named} if digest == each.digest else set()
        return found == {commit}

    def covered(self, name: str, digest: str) -> bool:
        """Return whether a run was recorded for this plan as it is, or was before an amendment."""
        older = {each.digest for each in self.amended}
        return self.covers(name, self.digest if digest in older else digest)


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What shall bind in a plan, as a person asks for it; None: as it is, or the default."""

    claim: Claim | None = None
    metric: str | None = None
    # None: as it is, or as the settings or the metric's well-known name say
    direction: Direction | None = None
    effect: str | None = None  # as typed, ">=5%"; its meaning needs the direction
    alpha: float | None = None
    repeats: int | None = None
    baseline: str | None = None  # a revision
    guards: tuple[Guard, ...] | None = None  # all of them; empty takes them away
    stopping: Stopping | None = None  # one of a single look takes the rule of a plan away
    on_failed: OnFailed | None = None
    frozen: tuple[str, ...] | None = None
    unfrozen: tuple[str, ...] | None = None
    guards_shown: bool | None = None
    failure: str | None = None  # "" takes it away

    def given(self) -> dict[str, object]:
        """Return by name what was asked for."""
        pairs = ((name, getattr(self, name)) for name in ASKED)
        return {name: value for name, value in pairs if value is not None}


ASKED: Final = tuple(item.name for item in fields(Terms))


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanDraft(Terms):
    """What a person says of a plan to be: in a file, an editor, by options."""

    objective: str | None = None
    hypothesis: str | None = None
    evaluation: tuple[str, ...] = ()


def with_terms(value: PlanT, terms: Mapping[str, object]) -> PlanT:
    """Return a plan, or what is asked for one, with other terms, by their names."""
    other: Callable[..., PlanT] = replace
    return other(value, **terms)


class Verdict(enum.Enum):
    """What a comparison says about the recorded hypothesis."""

    SUPPORTED = "supported"
    REFUTED = "refuted"  # "the effect is at least the promised one" is rejected
    INCONCLUSIVE = "inconclusive"
    EQUIVALENT = "equivalent"
    UNDECIDABLE = "undecidable"  # no outcome of this design could reach alpha
    NOT_COMPARABLE = "not comparable"
