"""How a project's code gets its seed, as far as its text shows: could it, and where is it fixed.

A text proves little, so each question is asked such that a doubt does no harm: whatever might take
up the seed does, and whatever might draw on chance without one does. Nothing is executed.
"""

from __future__ import annotations

import re
import shlex
from operator import itemgetter
from typing import TYPE_CHECKING, Final

from gitexp.comparison.randomness.conditions import conditions
from gitexp.comparison.randomness.draws import OF_FILE, Draw
from gitexp.comparison.randomness.project_text import ALL_ARGUMENTS, CODE, NUMBERED, ProjectText
from gitexp.comparison.randomness.syntax import (
    CELL,
    READ,
    SEED_NAME,
    VARIABLE,
    CopiesReason,
    Fixed,
    is_model,
    is_of_data,
    likewise,
    place_of,
    where_of,
)
from gitexp.comparison.randomness.variation import Acts, acts, are_seen_to_act, traces
from gitexp.errors import GitexpError, IdleSeedError
from gitexp.git import objects
from gitexp.model import dataclass, replace
from gitexp.model.config import ParamKey, ProjectConfig
from gitexp.model.ids import BlobId, CommitHash
from gitexp.model.plan import Claim, Plan
from gitexp.store import plans
from gitexp.text import params
from gitexp.text.jsontext import json_loads

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from gitexp.comparison.counting import Count, FoundRuns
    from gitexp.comparison.sides import ResolvedSide
    from gitexp.git.repository import Repo

BASELINE: Final = "baseline"
CANDIDATE: Final = "candidate"
_LARGEST = 1 << 20  # bytes of one file
_MOST = 2_000  # files
_MOST_BYTES = 32 << 20  # of all of them
_SHOWN = 3
_FILE_RANK, _DATA_RANK = 3, 6  # beside those of draws
_NO_CODE = re.compile(
    r"(^|/)(\.git|\.dvc|\.gitexp)|(^|/)dvc\.lock$"
    r"|\.(csv|tsv|md|rst|html|svg|png|jpe?g|gif|pdf|dvc|lock|parquet|npy|npz|pkl|zip|gz)$"
)


@dataclass(frozen=True)
class Code(ProjectText):
    """The text of a project, asked for draws that no repeat's seed steers."""

    def advice(self) -> str:
        """Return what a repeat's seed can change of a project, where that is worth a word."""
        has_rule = bool(self.config.seed.params) or self.config.seed.arg is not None
        if self.unheard:
            return f"{self._why_unheard}; {self.how(())}"
        takes = self.takes()
        held = self._skipped or (self._proven() if takes or has_rule else None)
        if held is not None:
            return f"{held.why}; {held.how}"
        if has_rule:
            return ""
        if takes or not self.is_direct or (self.able() and not self._option()):
            return (
                f"no seed parameter was found: repeats differ in {VARIABLE} alone; "
                "see seed: in the settings"
            )
        return f"nothing takes up the seed of a repeat: {self.remedy().next_step}"

    @property
    def _why_unheard(self) -> str:
        scripts = ", ".join(sorted(self._reached)[:_SHOWN])
        return f"{self.unheard}, which is to hand on the seed, occurs nowhere in {scripts}"

    def remedy(self) -> IdleSeedError:
        """Return what is wrong and what to change, for people."""
        skipped = CopiesReason(self._why_unheard, "") if self.unheard else self._skipped
        places = self.fixed() if skipped is None else ()
        return IdleSeedError(
            "the seed does not act: repeats with different seeds report the same numbers",
            found=skipped.why if skipped is not None else places[0].line if places else "",
            where=places[0].where if places else "",
            expected="another seed in each repeat, on both sides: change the baseline, too, and "
            "begin a new plan there; --keep-going runs all repeats as they are",
            next_step=self.how(places),
        )

    def how(self, places: Sequence[Fixed]) -> str:  # noqa: C901, PLR0911  one for each kind of place
        """Return what to change, in the words of the settings."""
        rule, option, key = self.config.seed, self._option(), self._parameter()
        if option:
            return f'gitexp init --seed-arg "{option} {{seed}}"'
        if key:
            return f"gitexp init --seed-param {shlex.quote(str(key))}"
        if not places and self._skipped is not None:
            return self._skipped.how
        source = f"the parameter {rule.params[0]}" if rule.params else ""
        if rule.arg is not None:
            source = f"what {rule.arg.replace('{seed}', '').strip(' =')} gives"
        if not places:
            script = next(iter(self._reached), "the script")
            if source:
                return f"in {script}, draw on {source} alone, and commit"
            return (
                f"read the seed in {script}: {READ}; or give "
                '--seed-arg "--seed {seed}" or --seed-param KEY to gitexp init'
            )
        first, *others = places
        also = likewise(others)
        if first.step:
            return f"in {first.where}, {first.step}{also}, and commit it"
        number = first.number or "what it has"
        if source:
            return f"in {first.where}, take {source} instead of {number}{also}, and commit"
        if first.is_setting:
            keys = [ParamKey(self._inside(e.where), e.name) for e in places if e.is_setting]
            named = (f" --seed-param {shlex.quote(str(key))}" for key in keys)
            also = likewise([each for each in others if not each.is_setting])
            return f"gitexp init{''.join(named)}{also}"
        if not first.instead:
            return f"in {first.where}, write ${VARIABLE} instead of {number}{also}, and commit"
        return f"in {first.where}, write {first.instead} (with import os){also}, and commit it"

    def held(self, other: Code) -> CopiesReason | None:
        """Return why a side that always reports the same is one draw; None: it has no chance in it.

        `other`: the other side: what makes or divides the data of both alike is a condition.
        """
        if self._skipped is not None and self._skipped.where:  # without chance, none has to list it
            return self._skipped
        scripts, theirs = self._executed, other._executed
        if scripts.is_lost or theirs.is_lost:
            return CopiesReason("nothing shows that there is no chance in it", self.how(()))
        reached = self._reached
        steered = scripts.takes_seed() or (not scripts.trees and self.able())
        both = {each.sign for each in theirs.draws}
        draws = {each: each.sign in both for each in self._ranked(scripts)}
        kept = {each for each, alike in draws.items() if alike and each.is_of_data}
        kept |= self._conditions(other)
        places = {self._place(e): alike for e, alike in draws.items() if e not in kept}
        there = other._numbers()
        numbers = {each: (each in there, of_data) for each, of_data in self._numbers().items()}
        places |= {e: alike for e, (alike, of_data) in numbers.items() if not (alike and of_data)}
        if not steered:
            rest = {path: text for path, text in reached.items() if path not in scripts.trees}
            found = {path: hit for path, text in rest.items() if (hit := NUMBERED.search(text))}
            lines = {path: rest[path].count("\n", 0, hit.start()) for path, hit in found.items()}
            places |= {self._line(path, line + 1): False for path, line in lines.items()}
        if places:
            order = {each: place for place, each in enumerate(self.fixed())}
            shared = any(places.values())
            alike = [self._place(each) for each in draws if each in kept and shared]
            first = min(places, key=lambda each: order.get(each, len(order)))
            every = sorted(
                {**places, **dict.fromkeys(alike)}, key=lambda e: order.get(e, len(order))
            )
            more = f" (and {len(places) - 1} more)" if len(places) > 1 else ""
            why = f"{first.where} holds its seed fast{more}: {first.line}"
            return CopiesReason(why, self.how(every), first.where, shared)
        for path, number, (what, then) in scripts.unclear[:1]:
            line = self._line(path, number)
            return CopiesReason(f"{line.where} {what}: {line.line}", f"in {line.where}, {then}")
        strange = scripts.strange(list(reached.values()))
        unread = next((p for p in reached if p not in scripts.trees and CODE.search(p)), "")
        if steered or (scripts.trees and not strange and not unread.endswith((".py", ".ipynb"))):
            return None
        what = strange if scripts.trees and strange else unread or "what the command runs"
        return CopiesReason(f"nothing shows that there is no chance in {what}", self.how(()))

    def _conditions(self, other: Code) -> set[Draw]:
        """Return the draws by which both sides make the same data, whatever else they do."""
        if other is self:  # nothing has run yet, and no other side shows that something varies
            return set()
        theirs = {(each.sign, done) for each, done in other._made.items()}
        return {each for each, done in self._made.items() if (each.sign, done) in theirs}

    @property
    def _made(self) -> Mapping[Draw, tuple[str, ...]]:
        return conditions(self._executed, self._commands)

    def fast(self) -> CopiesReason | None:
        """Return the seed that stands fixed where nothing that draws takes that of a repeat."""
        if self._skipped is not None and self._skipped.where:
            return self._skipped
        found = self._proven()
        return None if found is None or self.takes() else replace(found, shared=False)

    def _proven(self) -> CopiesReason | None:
        """Return what `held` says of this text alone, where all that draws has a number there.

        Nothing has run yet: what is read from outside, or comes out of a call, may be the seed.
        """
        sure = self.is_small and all(each.is_number for each in self._executed.draws)
        given = "argv" in self._executed.words
        if given and any(map(ALL_ARGUMENTS.search, self._reached.values())):
            return None
        found = self.held(self) if sure and self.is_direct else None
        return found if found is not None and found.where else None

    def is_live(self) -> bool:
        """Whether something draws on the seed of a repeat, and nothing but data on a fixed one."""
        scripts = self._executed
        fixed = (
            *(e.is_of_data for e in scripts.draws),
            *(is_of_data(n) for n, *_ in scripts.numbers()),
        )
        return self._skipped is None and scripts.takes_seed() and all(fixed)

    def unlike(self, other: Code) -> dict[Fixed, bool]:
        """Return what stands fixed here, beside what each repeat changes, and not there.

        With each, whether the other side has that draw, too, as another one or anew in each repeat;
        else it is of a part that the other side does not have.
        """
        rule = other.config.seed
        mine, theirs = self._executed, other._executed
        if mine.is_lost or theirs.is_lost:
            return {}
        here, there = mine.anew(), theirs.anew()
        signs = [{each.sign for each in e.draws} for e in (mine, theirs)]
        own = [each for each in self._ranked(mine) if each.sign not in signs[1]]
        others = [each for each in theirs.draws if each.sign not in signs[0]]
        names = {each.name for each in others} | (there - here).keys()
        more = there - here
        # Not by models of other names alone: those are another part, which takes the place of one.
        replaced = more.total() > (here - there).total()
        swapped = all(is_model(name) for name in more)
        divided = any(each.is_of_data for each in others)
        found = {
            self._place(e): e.name in names
            or (replaced and not (swapped and is_model(e.name)))
            # Also where only the size is another: each side has one test set then, and their luck
            # is in no repeat (20 % and 30 % of 500 rows, forests: 42 % of true nulls rejected).
            or (e.is_of_data and divided)
            for e in own
        }
        numbers, theirs_numbers = self._numbers(), other._numbers()
        varied = {(key.file, f"{key.key}:") for key in rule.params}
        if rule.arg is not None:
            varied.add(("the command", rule.arg.replace("{seed}", "").strip(" =")))
        varied |= {_name(each) for each in theirs_numbers if each not in numbers}
        return found | {e: _name(e) in varied for e in numbers if e not in theirs_numbers}

    def _place(self, draw: Draw) -> Fixed:
        """Return where a seed stands in the text, and what to write instead."""
        if draw.number is not None:
            return place_of(draw.at, dict(self.texts)[draw.at], draw.number, draw.name)
        there = self._line(draw.path, draw.line)
        return replace(there, instead=f"the seed as {READ}", name=draw.name)

    def _line(self, path: str, number: int) -> Fixed:
        text = dict(self.texts)[path]
        return Fixed(where_of(path, number, text), text.split("\n")[number - 1].strip(), "", "")

    def fixed(self) -> tuple[Fixed, ...]:
        """Return what most likely makes copies of all repeats, before the rest, in the code.

        Seeds that stand for numbers, that of a model before that of its data, and a file in place
        of what is trained.
        """
        texts, scripts = dict(self.texts), self._executed
        found = [
            (_DATA_RANK * is_of_data(name), place_of(path, texts[path], value, name))
            for name, path, value in scripts.numbers()
        ]
        drawn, settings = self._ranked(scripts), self._numbers()
        if settings:  # which have what the text takes from elsewhere
            asked = {(key.file, key.key) for key in self.config.seed.fixed}  # to stay
            free = (e for e in settings if (self._inside(e.where), e.name) not in asked)
            found += [(_DATA_RANK * settings[each], each) for each in free]
            drawn = [each for each in drawn if each.number is not None]
        found += [(self._rank(each), self._place(each)) for each in drawn]
        for path, line, said in scripts.unclear:
            if said in OF_FILE:
                found.append((_FILE_RANK, replace(self._line(path, line), step=said[1])))
        return tuple(dict.fromkeys(each for _, each in sorted(found, key=itemgetter(0))))

    def _parameter(self) -> str:
        """Return the key in a params file that looks like a seed, is read, and is not varied."""
        if self.config.seed.params or self.config.seed.arg is not None:
            return ""
        code = [text for path, text in self.texts if not self._is_params(path)]
        for path, text in self.texts:
            if self._is_params(path):
                for key, value in params.flat(text.encode(), path).items():
                    last = key.rpartition(".")[2]
                    read = any(re.search(rf"\b{last}\b", each) for each in code)
                    if SEED_NAME.search(last) and type(value) is int and read:
                        return str(ParamKey(self._inside(path), key))
        return ""


def read(repo: Repo, commit: CommitHash, config: ProjectConfig) -> Code:
    """Read the text of everything that a commit could execute."""
    texts: list[tuple[str, str]] = []
    whole, room = True, _MOST_BYTES
    every = (*objects.walk_tree(repo, commit),)
    acting = {*plans.acting(repo, commit, [entry.text for entry in every], config)}
    files = [entry.path.decode("utf-8", "replace") for entry in every]
    for path, entry in zip(files, every, strict=True):
        if entry.mode == objects.MODE_COMMIT:
            whole = False
        linked = entry.mode in {objects.MODE_COMMIT, objects.MODE_LINK}
        if _NO_CODE.search(path) or linked or entry.text not in acting:
            continue
        if len(texts) >= _MOST or room < 0:
            return Code(tuple(texts), config, whole=False)
        try:
            data = repo.read(BlobId(entry.id), _LARGEST, where=path)
        except GitexpError:  # too large
            whole = whole and not path.endswith((".py", ".ipynb"))
            continue
        room -= len(data)
        if b"\0" not in data:
            text = data.decode("utf-8", "replace")
            texts.append((path, _cells(text, path) if path.endswith(".ipynb") else text))
    return Code(tuple(texts), config, whole, frozenset(files))


def held(
    repo: Repo,
    baseline: ResolvedSide,
    candidate: ResolvedSide,
    count: Count,
    alone: Collection[str],
) -> dict[str, CopiesReason]:
    """Return those of the sides that always report the same, `alone`, which are one draw."""
    if not alone:
        return {}
    texts = texts_of(repo, baseline, candidate, count)
    other = {BASELINE: CANDIDATE, CANDIDATE: BASELINE}
    found = {side: texts[side].held(texts[other[side]]) for side in alone}
    return {side: each for side, each in found.items() if each is not None}


def copying(
    repo: Repo,
    both: tuple[ResolvedSide, ResolvedSide],
    count: Count,
    runs: FoundRuns,
    plan: Plan,
) -> tuple[list[str], dict[str, CopiesReason]]:
    """Return the sides that always report the same; where one does, also why it is one draw."""
    counted = (count.baseline, count.candidate)
    same = [
        name
        for name, side, source in zip((BASELINE, CANDIDATE), counted, both, strict=True)
        if acts(traces(side.repeats), able=False) is Acts.NO
        and not are_seen_to_act(runs, source.inputs)
    ]
    alone = same if len(same) == 1 and plan.claim is Claim.METHOD else ()
    return same, held(repo, *both, count, alone)


def unlike(texts: Mapping[str, Code]) -> tuple[dict[str, CopiesReason], list[str]]:
    """Return the sides that hold a draw fast which the other side makes otherwise.

    No repeat shows how large the luck of such a draw is. That of a part which one side alone has is
    a condition of what is found, the second answer; data that both divide alike are one of both.
    """
    held: dict[str, CopiesReason] = {}
    said = []
    alike = texts[BASELINE].texts == texts[CANDIDATE].texts
    alike = alike and texts[BASELINE].config.seed == texts[CANDIDATE].config.seed
    if alike or not all(code.is_small for code in texts.values()):
        return {}, []
    for side, other in ((BASELINE, CANDIDATE), (CANDIDATE, BASELINE)):
        found = texts[side].unlike(texts[other])
        if crossed := tuple(each for each, is_theirs in found.items() if is_theirs):
            first = crossed[0]
            why = f"{first.where} holds a draw of the {side} fast that the {other} makes otherwise"
            held[side] = CopiesReason(f"{why}: {first.line}", texts[side].how(crossed), first.where)
        # What is not a number in the text may be the seed of a repeat.
        for each in () if crossed else [each for each in found if each.number][:1]:
            why = f"{each.where} holds its seed fast: {each.line}; the {other} has no such draw"
            said.append(f"{why}, so the answer is about this one draw of the {side}")
    return held, said


def texts_of(
    repo: Repo, baseline: ResolvedSide, candidate: ResolvedSide, count: Count
) -> dict[str, Code]:
    """Return what was run, which may be another text than what a side is now."""
    code = {BASELINE: baseline, CANDIDATE: candidate}
    ran = {BASELINE: count.baseline, CANDIDATE: count.candidate}
    texts = {}
    for side, source in code.items():
        commits = (item.found.run.source.commit for item in ran[side].repeats.values())
        commit = next((each for each in commits if objects.exists(repo, each)), source.commit)
        texts[side] = read(repo, commit, source.config)
    return texts


def step(held: Mapping[str, CopiesReason], plan: Plan) -> str:
    """Return the way back to a verdict: what to change on which side, and what to call then."""
    name, then = plan.baseline.name, "gitexp run --with-baseline"
    shared = next((each.how for each in held.values() if each.shared), "")
    parts = [held[CANDIDATE].how] if CANDIDATE in held and not shared else []
    if BASELINE in held or shared:
        parts.append(f"on {name}: {shared or held[BASELINE].how}")
        if shared:  # mended on one side alone, the two would be measured under unlike conditions
            parts.append(
                f"the same on the branch: git merge {shlex.quote(name)} (in a conflict keep your "
                "lines, with this change in them)"
            )
        again = f'gitexp amend-plan --baseline {shlex.quote(name)} --why "its seed was held fast"'
        then = f"{again} and {then}"
    return "; ".join([*parts, f"then {then}"])


def code_cells(text: str, path: str) -> list[str]:
    """Return the source of each code cell of a notebook."""
    data = text.encode()
    value = json_loads(data, where=path, limit=len(data))  # whoever read it has set a limit
    cells = value.get("cells") if isinstance(value, dict) else None
    found: list[str] = []
    for cell in cells if isinstance(cells, list) else ():
        source = cell.get("source") if isinstance(cell, dict) else None
        if isinstance(cell, dict) and cell.get("cell_type") == "code":
            lines = source if isinstance(source, list) else [source]
            found.append("".join(str(line) for line in lines))
    return found


def _cells(text: str, path: str) -> str:
    """Return the code cells of a notebook, each below its number; Jupyter's own lines are lines."""
    try:
        cells = code_cells(text, path)
    except GitexpError:
        return text
    lines = [line for n, cell in enumerate(cells, 1) for line in (f"{CELL}{n}", *cell.split("\n"))]
    return "\n".join("pass" if line.startswith(("%", "!")) else line for line in lines)


def _name(number: Fixed) -> tuple[str, str]:
    return number.where, number.line.rpartition(" ")[0]
