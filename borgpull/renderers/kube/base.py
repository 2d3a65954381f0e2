"""The files of one job by a timetable."""

from __future__ import annotations

from borgpull.renderers.kube import cron, parts, pod
from borgpull.renderers.kube.labels import CLIENT, common, labels
from borgpull.renderers.kube.names import CRON_JOB_LENGTH, dns_name, label
from borgpull.renderers.kube.overlays import overlays
from borgpull.renderers.kube.settings import Settings
from borgpull.renderers.kube.text import BASE, Object, document, kustomization
from borgpull.renderers.plan import Plan


def render(plan: Plan, settings: Settings) -> dict[str, str]:
    """The base and, where the job mounts, its overlays. Raises UsageError."""
    name = dns_name(plan.name, CRON_JOB_LENGTH)
    files = {
        f"{BASE}/{kind}.yaml": document(found, comment)
        for kind, (found, comment) in _objects(plan, settings, name).items()
    }
    resources = [path.removeprefix(f"{BASE}/") for path in files]
    head = document(kustomization(resources=resources), _comment(plan))
    found = {f"{BASE}/kustomization.yaml": head, **files}
    return {**found, **overlays(name, settings)} if plan.needs.mounts else found


def _comment(plan: Plan) -> list[str]:
    return [f"borgpull {plan.words[0]} of {plan.job.client}", *plan.timetable.comment()]


def _objects(plan: Plan, settings: Settings, name: str) -> dict[str, tuple[Object, list[str]]]:
    """Each object with its comment. What others stand on comes first."""
    wanted, client = plan.needs, plan.job.client
    parts.require_way_back(plan.job, wanted)
    tags, notes = labels(plan.job.verb, client), {CLIENT: client}
    found: dict[str, tuple[Object, list[str]]] = {"serviceaccount": (parts.account(name, tags), [])}
    claim = settings.claim
    if claim is None:
        claim = parts.claim_of(client)
        owner = {**common(), CLIENT: label(client)}
        found["claim"] = parts.claim(claim, owner, notes, settings), []
    found["networkpolicy"] = (
        parts.policy(name, tags, tags, wanted, settings),
        parts.policy_comment(wanted, settings),
    )
    if wanted.listens_on is not None:
        found["service"] = parts.service(name, tags, tags, wanted), []
    found["cronjob"] = one(plan, settings, name, tags, name, claim), _comment(plan)
    return found


def one(
    plan: Plan, settings: Settings, name: str, tags: dict[str, str], account: str, claim: str
) -> Object:
    """The CronJob of one job."""
    notes = {CLIENT: plan.job.client}
    args = [pod.literal(word) for word in plan.words]
    secret = settings.secret_of(plan.name)
    spec = pod.spec(plan.needs, args, plan.image, account, secret, claim, settings)
    job = cron.once(spec, tags, notes, settings.time_limit)
    return cron.cron_job(name, plan.timetable, tags, notes, job)
