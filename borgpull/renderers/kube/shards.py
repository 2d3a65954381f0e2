"""The files of many jobs of one verb in few CronJobs: an Indexed Job a shard, an index a client.

A Job has one template. So the clients of a shard share its volume, in which each has its folders.
Their words are in a ConfigMap, by index, and no shell splits them.
"""

from __future__ import annotations

import hashlib
import json
import zlib
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace

from borgpull.errors import UsageError
from borgpull.launchers.needs import Needs
from borgpull.renderers.kube import cron, drills, parts, pod
from borgpull.renderers.kube.fleet import network_of, policy
from borgpull.renderers.kube.labels import CLIENTS, COMPONENT, NETWORK, common, meta
from borgpull.renderers.kube.names import CRON_JOB_LENGTH, dns_name
from borgpull.renderers.kube.overlays import overlays
from borgpull.renderers.kube.settings import Settings
from borgpull.renderers.kube.text import Documents, Object, base, document, joined
from borgpull.renderers.plan import REPORTS, Plan
from borgpull.renderers.timetable import Timetable

# The API server's limits are 1 MiB for a ConfigMap, 256 KiB for all annotations of an object.
MOST_WORDS, MOST_CLIENTS = 1_000_000, 250_000
# The cluster puts the number of its index into each pod.
START = ("words", f"{pod.WORDS_FOLDER}/$(JOB_COMPLETION_INDEX)")


def render_shards(
    name: str,
    plans: Sequence[Plan],
    number: int,
    when: Callable[[str], Timetable],
    settings: Settings,
) -> dict[str, str]:
    """The base and, if the jobs mount, its overlays. Raises UsageError.

    `when` gives the timetable for a shard's name. A client's name alone decides its shard, so that
    its repository stays where it is when other clients come or go.
    """
    settings = replace(settings, secret=settings.secret_of(name))
    _require_alike(plans)
    account = dns_name(name)
    texts = {"serviceaccount": document(parts.account(account, common()))}
    for file, checks in drills.checks(account, plans, settings).items():
        texts[file] = document(checks)
    for at in range(number):
        mine = [plan for plan in plans if zlib.crc32(plan.job.client.encode()) % number == at]
        if mine:
            shard = dns_name(f"{name}-{at}", CRON_JOB_LENGTH)
            own = f"{settings.claim}-{at}" if settings.claim else ""
            found = _shard(shard, mine, when(shard), account, own, settings)
            texts[f"shards/{shard}"] = joined(found)
    return {**base(texts), **overlays(plans, settings)}


def merged(all_needs: Sequence[Needs]) -> Needs:
    """What one template must have for all of these jobs."""
    return replace(
        all_needs[0],
        secrets=tuple(dict.fromkeys(one for wanted in all_needs for one in wanted.secrets)),
        connects_to=tuple(sorted({port for wanted in all_needs for port in wanted.connects_to})),
        stop_seconds=max(wanted.stop_seconds for wanted in all_needs),
    )


def _shard(
    name: str,
    plans: Sequence[Plan],
    when: Timetable,
    account: str,
    claim: str,
    settings: Settings,
) -> Documents:
    wanted = merged([plan.needs for plan in plans])
    network = network_of(name, wanted)
    tags = {**common(), COMPONENT: plans[0].job.verb, NETWORK: network}
    notes = {CLIENTS: _clients(plans)}
    words = _words(name, plans, settings)
    used = pod.Used(
        image=plans[0].image,
        account=account,
        secret=settings.secret_of(name),
        claim=claim or dns_name(f"borgpull-{name}"),
        words=words["metadata"]["name"],
    )
    template = pod.spec(wanted, START, used, settings)
    job = cron.indexed(template, tags, notes, settings.time_limit, len(plans), settings.parallelism)
    comment = [f"borgpull {plans[0].words[0]} of {len(plans)} clients", *when.comment()]
    comment += drills.comment(wanted)
    found: Documents = [] if claim else [(_claim(used.claim, settings), _CLAIM_COMMENT)]
    found += policy(network, wanted, settings)
    found.append((words, []))
    return [*found, (cron.cron_job(name, when, tags, notes, job), comment)]


_CLAIM_COMMENT = ["All clients of the shard have their folders in this volume."]


def _claim(name: str, settings: Settings) -> Object:
    """Pods that run at the same time must be able to have it at the same time, on any node."""
    mode = "ReadWriteOncePod" if settings.parallelism == 1 else "ReadWriteMany"
    return parts.claim(name, common(), {}, settings, mode)


def _words(shard: str, plans: Sequence[Plan], settings: Settings) -> Object:
    """The words by index. Another list has another name: a Job that runs keeps its own."""
    found = [drills.words(plan, settings, f"{REPORTS}/{plan.job.client}") for plan in plans]
    data = {str(at): json.dumps(words) for at, words in enumerate(found)}
    text = json.dumps(data)
    if len(text) > MOST_WORDS:
        raise UsageError(f"too many words for a ConfigMap: {len(text)} bytes", hint="more --shards")
    mark = hashlib.sha256(text.encode()).hexdigest()[:12]
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": meta(dns_name(f"{shard}-{mark}"), common()),
        "immutable": True,
        "data": data,
    }


def _clients(plans: Sequence[Plan]) -> str:
    text = ",".join(plan.job.client for plan in plans)
    if len(text) > MOST_CLIENTS:
        raise UsageError(f"too many clients for an annotation: {len(plans)}", hint="more --shards")
    return text


def _require_alike(plans: Sequence[Plan]) -> None:
    verbs = sorted({plan.job.verb for plan in plans})
    if len(verbs) != 1:
        raise UsageError(
            f"shards are for jobs of one verb, not {', '.join(verbs)}", hint="one list a verb"
        )
    client, most = Counter(plan.job.client for plan in plans).most_common(1)[0]
    if most > 1:
        raise UsageError(
            f"two jobs of the list are of {client}", hint="give one of the clients another --name"
        )
    for plan in plans:
        parts.require_way_back(plan.job, plan.needs)
        if plan.needs.listens_on is not None:
            raise UsageError(
                "a client cannot connect back to a pod of a shard", hint="pipe, or no --shards"
            )
