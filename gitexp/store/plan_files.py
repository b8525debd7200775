"""Plan and settings files of a tree: read the same way by hooks, rules and every other verb.

No repository is opened here, so a hook has the time. What cannot be read is an answer too, never
passed over.

A YAML parser costs a third of the time of listing fresh branches. What `records.codec.dump` writes
is read by it once for all plans of a project that differ in what is their own alone. A file with
any other line - a folded text, an escape, a comment, a flow mapping - is left to the full reader,
so the two can only differ in speed.
"""

from __future__ import annotations

import contextlib
import copy
import re
from collections import defaultdict
from functools import lru_cache
from typing import TYPE_CHECKING

from gitexp.errors import DamagedDataError, GitexpError, UnsafeInputError
from gitexp.git import fsck
from gitexp.git.transaction.layout import CONFIG, PLANS, archive_tag, plan_path
from gitexp.git.tree import FILE_MODES, Tree, tree_of
from gitexp.git.upstream import followed, short
from gitexp.model import dataclass, fields, replace
from gitexp.model.plan import Amendment, Plan, PlanSeeds
from gitexp.records import config as config_format
from gitexp.records import plan as plan_format
from gitexp.records.terms import binding, digest
from gitexp.text.fields import Fields
from gitexp.text.yamltext import scalar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from gitexp.git.upstream import RefsByName
    from gitexp.model.config import ProjectConfig
    from gitexp.model.ids import CommitHash
    from gitexp.model.rules import Objects
    from gitexp.text.jsontext import Json

_SUFFIX = ".yaml"
_MOST_BYTES = 8 << 20  # of the plans in a folder: a MiB in an odd layout takes a second
_KEPT_BYTES = 2 * _MOST_BYTES
_FOLDERS_KEPT = 64
GAVE_WAY = "a merge kept another version"  # the reason where the one who merged gave none


@dataclass(frozen=True, slots=True)
class UnreadablePlan:
    """A file that cannot be read, and why."""

    path: str
    why: str
    error: GitexpError | None = None


def plan_at(tree: Tree, path: str) -> Plan | UnreadablePlan | None:
    """Return the plan in a file; None where there is no such file."""
    try:
        return _READ.plan(tree, path)
    except GitexpError as error:
        return UnreadablePlan(path, str(error), error)


def plan_paths(tree: Tree) -> list[str]:
    """Return the plan files in a tree, sorted.

    Raises `UnsafeInputError` where they are more than any project has: each would be read.
    """
    found = {name: each for name, each in tree.folder(PLANS).items() if name.endswith(_SUFFIX)}
    fsck.refuse_more(len(found), fsck.MOST_RECORDS, "records in a folder", tree.where(PLANS))
    blobs = {each.id for each in found.values() if each.mode in FILE_MODES}
    fsck.refuse_more(sum(map(tree.size, blobs)), _MOST_BYTES, "bytes of plans", tree.where(PLANS))
    return sorted(f"{PLANS}/{name}" for name in found)


def plans_in(tree: Tree) -> tuple[Plan, ...]:
    """Return the plans in a tree that can be read, by file, whatever branch they belong to."""
    return _READ.folder(tree).get("", ())


def plans_on(tree: Tree, branch: str) -> tuple[Plan, ...]:
    """Return those that say that they live on a branch."""
    return _READ.folder(tree).get(branch, ()) if branch else ()


def plan_history(objects: Objects, plan: Plan, tip: CommitHash) -> dict[CommitHash, Plan]:
    """Return a plan as the commits of a tip's history have it, parents first."""
    paths = [plan_path(name) for name in (plan.name, *plan.formerly)]
    held: dict[CommitHash, Plan] = {}
    found: dict[CommitHash, Plan] = {}
    waiting = [(tip, False)]
    while waiting:
        commit, after_parents = waiting.pop()
        if after_parents:
            found[commit] = held[commit]
        elif commit not in held:
            try:
                tree, parents = tree_of(objects, commit), objects.commit(commit).parents
            except GitexpError:  # beyond the edge of a shallow clone
                continue
            there = (plan_at(tree, path) for path in paths)
            was = next((each for each in there if isinstance(each, Plan)), None)
            if was is not None and was.created_at == plan.created_at:
                held[commit] = was
                waiting += [(commit, True), *((each, False) for each in parents)]
    return found


def whole_plan(objects: Objects, plan: Plan, tip: CommitHash) -> Plan:
    """Return a plan with what its history has of amendments and its file has not.

    So it is where two people amended it and a merge kept the one's: the other's versions were
    versions of it, too. Its own amendments stay the last ones.
    """
    more: list[Amendment] = []
    known, versions = {*plan.amended}, {*plan.versions}
    for was in plan_history(objects, plan, tip).values():
        lacks = [item for item in was.amended if item not in known]
        unknown = bool(was.amended) and was.digest not in versions
        more += lacks
        if unknown:
            now = binding(plan)
            old = {name: value for name, value in binding(was).items() if now[name] != value}
            last = was.amended[-1]
            more.append(Amendment(was.digest, GAVE_WAY, last.by, last.at, old, fresh=True))
            lacks.append(more[-1])
        known.update(lacks)
        versions.update(item.digest for item in lacks)
    return replace(plan, amended=(*more, *plan.amended)) if more else plan


class _Read:
    """What was read in this process, by the id of its blob, or tree: whatever it is called."""

    def __init__(self) -> None:
        self._plans: dict[str, tuple[str, Plan | GitexpError]] = {}
        self._bytes = 0
        self._folders: dict[str, dict[str, tuple[Plan, ...]]] = {}

    def plan(self, tree: Tree, path: str) -> Plan | None:
        """Return the plan in a file; what cannot be read is not tried again, either."""
        entry, where = tree.entry(path), tree.where(path)
        if entry is None or entry.mode not in FILE_MODES:
            return None
        if entry.id not in self._plans:
            data = tree.read(path) or b""
            self._bytes += len(data)
            if self._bytes > _KEPT_BYTES:
                self._plans, self._bytes = {}, len(data)
            try:
                self._plans[entry.id] = where, lean_plan(data, where)
            except GitexpError as error:
                self._plans[entry.id] = where, copy.copy(error)  # without its frames
        first, found = self._plans[entry.id]
        if isinstance(found, GitexpError):
            said = copy.copy(found)
            said.where, said.next_step = (
                text.replace(first, where) for text in (found.where, found.next_step)
            )
            raise said
        return found

    def folder(self, tree: Tree) -> dict[str, tuple[Plan, ...]]:
        """Return the plans in a tree by branch, "" for all: a rule asks for each of its runs."""
        key = tree.folder_id(PLANS)
        if not key or key not in self._folders:
            every = [plan_at(tree, path) for path in plan_paths(tree)]
            plans = tuple(plan for plan in every if isinstance(plan, Plan))
            groups: defaultdict[str, list[Plan]] = defaultdict(list)
            for plan in plans:
                groups[plan.branch].append(plan)
            found = {**{branch: tuple(group) for branch, group in groups.items()}, "": plans}
            bad = (plan.error for plan in every if isinstance(plan, UnreadablePlan))
            if not key or any(isinstance(error, DamagedDataError) for error in bad):
                return found  # the next fetch may bring what lacks
            if len(self._folders) >= _FOLDERS_KEPT:
                self._folders = {}
            self._folders[key] = found
        return self._folders[key]


_READ = _Read()


def plan_of(tree: Tree, branch: str) -> Plan | UnreadablePlan | None:
    """Return the plan that lives on a branch: the newest, where several name it.

    After a merge the base does not acquire it. A file that has the branch's name and cannot be read
    is the answer where no other is found.

    `branch`: short name: ``exp/focal-loss``, or ``main`` for a plan made with ``--here``.
    """
    name = branch.partition("/")[2]
    first = plan_at(tree, plan_path(name)) if name and "/" not in name else None
    if isinstance(first, Plan) and first.branch == branch:  # the usual case costs one file
        return first
    try:
        mine = plans_on(tree, branch)
    except UnsafeInputError as error:
        return UnreadablePlan(PLANS, str(error), error)
    if mine:
        return max(mine, key=lambda plan: (plan.created_at, plan.name))
    return first if isinstance(first, UnreadablePlan) else None


def is_beside(plan: Plan, branch: str) -> bool:
    """Return whether a branch is called like that of a plan, but for the experiment's name."""
    prefix = plan.branch.removesuffix(plan.name)
    return branch != plan.branch and prefix not in {"", plan.branch} and branch.startswith(prefix)


def renamed(
    objects: Objects,
    branch: str,
    commit: CommitHash,
    refs: RefsByName,
    before: str = "",
) -> Plan | None:
    """Return the plan of the experiment whose branch Git renamed to this one; None for none.

    That is the newest plan without a branch and an archive of its own that this branch alone goes
    on with: neither main has it, nor another branch here that is not an experiment of its own.

    `refs`: all there are, by their short names; `before`: what the branch was called by Git's log,
    if that is known: others may go on from it.
    """
    tree = tree_of(objects, commit)
    if plan_of(tree, branch) is not None:
        return None

    def goes_on(name: str, tip: CommitHash, plan: Plan) -> bool:
        stacked = name.startswith(plan.branch.removesuffix(plan.name))
        if stacked and plan.branch == before:
            return False
        with contextlib.suppress(GitexpError):  # its own line says what is wrong
            there = tree_of(objects, tip)
            held = there.entry(plan_path(plan.name)) is not None
            return held and not (stacked and plan_of(there, name) is not None)
        return False

    for plan in sorted(plans_in(tree), key=lambda plan: plan.created_at, reverse=True):
        if is_beside(plan, branch) and not _has_own_ref(plan, refs, before):
            others = _others(refs, branch, tree.main)
            if not any(goes_on(name, tip, plan) for name, tip in others):
                return plan
    return None


def _has_own_ref(plan: Plan, refs: RefsByName, before: str) -> bool:
    branches = refs.get(plan.branch, ())
    tag = archive_tag(plan.name)
    archives = refs.get(short(tag), ())
    alive = any(not before or followed(ref) != before for ref, _ in branches)
    return alive or any(ref == tag for ref, _ in archives)


def _others(refs: RefsByName, branch: str, main: str) -> Iterator[tuple[str, CommitHash]]:
    """Yield main, which has what was merged, and the other branches here."""
    for ref, tip in refs.get(main, ()):
        if ref.startswith("refs/heads/") or followed(ref):
            yield main, tip
    for name, places in refs.items():
        if name not in {main, branch}:
            yield from ((name, tip) for ref, tip in places if ref.startswith("refs/heads/"))


def settings(tree: Tree) -> ProjectConfig | None:
    """Return the settings in a tree; None where it has none."""
    data = tree.read(CONFIG)
    return None if data is None else parse_settings(data, tree.where(CONFIG))


def parse_settings(data: bytes, where: str) -> ProjectConfig:
    """Return the settings in a file, parsed once: commits after commits have the same."""
    try:
        return _parsed(data)
    except GitexpError:
        return config_format.load(data, where)  # the same error, with its place


@lru_cache(maxsize=64)
def _parsed(data: bytes) -> ProjectConfig:
    return config_format.load(data, CONFIG)


_USUAL_BYTES = 1 << 14  # larger ones are not worth keeping
# What is each plan's own and in no digest; a template has these lines instead.
_OWN = {
    **{key: f"{key}: own" for key in ("name", "branch", "objective", "hypothesis")},
    "created_at": 'created_at: "2000-01-01T00:00:00Z"',
}
# With one of these letters a root is a text, in quotes or without.
_ROOT = re.compile(r"(?=.*[abcdf])[0-9a-f]{32}")
_NO_ROOT = "a" * 32
# A plain text here begins with a letter or digit and has neither ": " nor " #" nor a colon at its
# end; a quoted one has neither quotes nor escapes inside. In lines of `key: value`, at most one
# level deep, and of `- value` none means another thing because of what stands in another one.
_VALUE = r'(?:"[^"\\\n]*"|[A-Za-z0-9/](?:[^:#\n]|:(?![ \n])|(?<! )#)*+)'
_USUAL = re.compile(rf"(?:(?:(?:  )?[a-z_$]{{1,40}}:(?: (?:{_VALUE}|\[\]))?|- {_VALUE})\n)*+")


def lean_plan(data: bytes, where: str) -> Plan:
    """Return a plan, by the quick way where its layout is the usual one."""
    try:
        plan = _from_template(data, where)
    except (GitexpError, ValueError):  # the full reader finds the same, and says in which line
        plan = None
    return plan_format.load(data, where) if plan is None else plan


def _from_template(data: bytes, where: str) -> Plan | None:
    """Read what is a plan's own, and the rest once for all plans that have it in common."""
    text = data.decode("utf-8") if len(data) <= _USUAL_BYTES else ""
    lines = text.split("\n")
    # What is not printable (a tab, a separator of lines) may mean something to YAML.
    if not _USUAL.fullmatch(text) or not "".join(lines).isprintable():
        return None
    own: dict[str, Json] = {}
    root = ""
    for number, line in enumerate(lines):
        key, _, value = line.partition(": ")
        quoted = value.startswith('"')
        if key == "  root" and lines[number - 1] == "seeds:":
            root = value[1:-1] if quoted else value
            if not _ROOT.fullmatch(root):
                return None
            lines[number] = f"  root: {_NO_ROOT}"
        elif key in _OWN:
            own[key] = value[1:-1] if quoted else scalar(value, where="")
            if type(own[key]) is not str or value.endswith(" "):
                return None
            lines[number] = _OWN[key]  # in its place, so that the lines around it mean the same
    if own.keys() != _OWN.keys() or not own["name"]:
        return None
    make: Callable[..., Plan] = Plan  # `replace` asks for each field by name
    terms = {**_template("\n".join(lines)), **own}
    terms["created_at"] = Fields(own, where).time("created_at")
    if root:
        terms["seeds"] = PlanSeeds(root)
        terms["digest"] = digest(make(**terms))
    return make(**terms)


@lru_cache(maxsize=256)
def _template(text: str) -> Mapping[str, object]:
    plan = plan_format.load(text.encode(), "")
    return {each.name: getattr(plan, each.name) for each in fields(Plan)}
