"""The files of one job by a timetable."""

from __future__ import annotations

from borgpull.renderers.kube import cron, drills, parts, pod
from borgpull.renderers.kube.labels import CLIENT, labels
from borgpull.renderers.kube.names import CRON_JOB_LENGTH, dns_name
from borgpull.renderers.kube.overlays import overlays
from borgpull.renderers.kube.settings import Settings
from borgpull.renderers.kube.text import Documents, Object, base, document
from borgpull.renderers.plan import Plan


def render(plan: Plan, settings: Settings) -> dict[str, str]:
    """The base and, where the job mounts, its overlays. Raises UsageError."""
    name = dns_name(plan.name, CRON_JOB_LENGTH)
    texts = {kind: document(*found) for kind, found in _objects(plan, settings, name).items()}
    files = base(texts, comment(plan))
    return {**files, **overlays([plan], settings)}


def comment(plan: Plan) -> list[str]:
    head = [f"borgpull {plan.words[0]} of {plan.job.client}", *plan.timetable.comment()]
    return [*head, *drills.comment(plan.needs)]


def _objects(plan: Plan, settings: Settings, name: str) -> dict[str, tuple[Object, list[str]]]:
    """Each object with its comment. What others stand on comes first."""
    wanted, tags = plan.needs, labels(plan.job.verb, plan.job.client)
    account, policy = parts.account(name, tags), parts.policy(name, tags, tags, wanted, settings)
    found: dict[str, tuple[Object, list[str]]] = {"serviceaccount": (account, [])}
    if settings.claim is None:
        found["claim"] = parts.claim_of(plan.job.client, settings), []
    found["networkpolicy"] = policy, parts.policy_comment(wanted, settings)
    for file, checks in drills.checks(name, [plan], settings).items():
        found[file] = checks, []
    for way_in in way_back(plan, name, tags):
        found["service"] = way_in
    found["cronjob"] = cron_job(plan, settings, name, tags, name), comment(plan)
    return found


def way_back(plan: Plan, name: str, tags: dict[str, str]) -> Documents:
    """The Service for a client that connects back, if it does. Raises UsageError."""
    parts.require_way_back(plan.job, plan.needs)
    if plan.needs.listens_on is None:
        return []
    return [(parts.service(name, tags, tags, plan.needs.listens_on), [])]


def cron_job(
    plan: Plan, settings: Settings, name: str, tags: dict[str, str], account: str
) -> Object:
    """The CronJob of one job."""
    notes = {CLIENT: plan.job.client}
    used = pod.Used(
        image=plan.image,
        account=account,
        secret=settings.secret_of(plan.name),
        claim=settings.claim or parts.claim_name(plan.job.client),
        reports=plan.job.client,
    )
    args = [pod.literal(word) for word in drills.words(plan, settings)]
    job = cron.once(pod.spec(plan.needs, args, used, settings), tags, notes, settings.time_limit)
    return cron.cron_job(name, plan.timetable, tags, notes, job)
