"""The files of many jobs, each with a CronJob of its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from borgpull.errors import UsageError
from borgpull.jobs import Job
from borgpull.launchers.needs import Needs
from borgpull.renderers.kube import drills, parts
from borgpull.renderers.kube.base import comment, cron_job, way_back
from borgpull.renderers.kube.labels import NETWORK, common, labels
from borgpull.renderers.kube.names import CRON_JOB_LENGTH, dns_name
from borgpull.renderers.kube.overlays import overlays
from borgpull.renderers.kube.settings import Settings
from borgpull.renderers.kube.text import Documents, base, document, joined
from borgpull.renderers.plan import Plan


def name_of(fleet: str, job: Job) -> str:
    """The name of a job's CronJob. It does not change when other jobs come or go."""
    return dns_name(f"{fleet}-{job.verb}-{job.client}", CRON_JOB_LENGTH)


def render_list(name: str, plans: Sequence[Plan], settings: Settings) -> dict[str, str]:
    """The base and, if one of the jobs mounts, its overlays. Raises UsageError.

    The jobs share the account, the Secret, and a policy for each set of ports.
    """
    settings = replace(settings, secret=settings.secret_of(name))
    _require_single(plans)
    account, tags = dns_name(name), common()
    texts = {"serviceaccount": document(parts.account(account, tags))}
    for file, checks in drills.checks(account, plans, settings).items():
        texts[file] = document(checks)
    for plan in plans:
        network = network_of(name, plan.needs)
        if (policies := f"networkpolicies/{network}") not in texts:
            texts[policies] = joined(policy(network, plan.needs, settings))
        claims = f"claims/{parts.claim_name(plan.job.client)}"
        if settings.claim is None and claims not in texts:
            texts[claims] = document(parts.claim_of(plan.job.client, settings))
        texts[f"cronjobs/{plan.name}"] = joined(_job(plan, settings, account, network))
    return {**base(texts), **overlays(plans, settings)}


def network_of(name: str, wanted: Needs) -> str:
    """The name of the policy for what has these needs."""
    words = [str(port) for port in sorted(set(wanted.connects_to))]
    if wanted.listens_on is not None:
        words += ["in", str(wanted.listens_on)]
    return dns_name("-".join([name, "to", *(words or ["nobody"])]))


def policy(network: str, wanted: Needs, settings: Settings) -> Documents:
    """The policy of all pods that have its name in a label."""
    pods = {**common(), NETWORK: network}
    found = parts.policy(network, common(), pods, wanted, settings)
    return [(found, parts.policy_comment(wanted, settings))]


def _job(plan: Plan, settings: Settings, account: str, network: str) -> Documents:
    """A job's own objects."""
    tags = {**labels(plan.job.verb, plan.job.client), NETWORK: network}
    own = cron_job(plan, settings, plan.name, tags, account), comment(plan)
    return [*way_back(plan, plan.name, tags), own]


def _require_single(plans: Sequence[Plan]) -> None:
    names, ports = set[str](), set[int]()
    for plan in plans:
        if plan.name in names:
            raise UsageError(
                f"two jobs of the list are {plan.job.verb} of {plan.job.client}",
                hint="give one of the clients another --name",
            )
        names.add(plan.name)
        if (port := plan.needs.listens_on) is not None:
            if port in ports:
                raise UsageError(f"two jobs of the list have port {port}", hint="one port a client")
            ports.add(port)
