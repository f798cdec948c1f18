"""What a person sees when the demo is ready: where to look, as whom, and what to paste."""

import json
import shlex
import uuid
from datetime import UTC, datetime
from pathlib import Path
from typing import Any


def text(facts: dict[str, Any], *, site: str) -> str:
    """Say where everything is, from the facts the seeding left and the address it is served at."""
    urls = [f"  {url['label']:<16} {site}{url['path']}" for url in facts["urls"]]
    logins = [
        f"  {login['role']:<16} {login['email']:<32} {login['password']:<20} {login['url_path']}"
        for login in facts["logins"]
    ]
    blocks = [
        "Drawdown is running.",
        "\n".join(urls),
        "Sign in as:\n" + "\n".join(logins),
        "Post an event and watch the customer's balance move. Sent twice, it is charged once:\n\n"
        + _curl(facts, site=site),
        "Ctrl-C stops everything. The data stay; the next start finds them.",
    ]
    return "\n\n".join(["", *blocks, ""])


def read_facts(path: Path) -> dict[str, Any]:
    """Read the facts the seeding left."""
    facts: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return facts


def _curl(facts: dict[str, Any], *, site: str) -> str:
    # An event of its own for this start: the seeded one would be a replay the second time.
    event = {
        **facts["curl"]["body"],
        "id": f"pasted-{uuid.uuid4().hex[:8]}",
        "timestamp": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    return (
        f"curl -sS {site}{facts['curl']['path']} \\\n"
        f"  -H 'Authorization: Bearer {facts['api_key']}' \\\n"
        f"  -H 'Content-Type: application/json' \\\n"
        f"  -d {shlex.quote(json.dumps(event))}"
    )
