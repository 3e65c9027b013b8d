"""The argument of the contract `cognito.ensure_user(event jsonb)`, as docs/own-table.md describes it."""

import json
from datetime import datetime, timezone


def user_event(event):
    attributes = event["request"]["userAttributes"]
    sub = attributes["sub"]
    handle = attributes.get("preferred_username") or event["userName"]
    digits = sub.replace("-", "")
    email = attributes.get("email")
    fields = {
        "contract": 1,
        "sub": sub,
        "user_name": event["userName"],
        "user_pool_id": event["userPoolId"],
        "client_id": event["callerContext"]["clientId"],
        "trigger_source": event["triggerSource"],
        "display_name": attributes.get("name") or handle,
        "handles": [handle] + [f"{handle}-{digits[:length]}" for length in (4, 8, 16, 32)],
        "email_verified": email is not None and attributes.get("email_verified") == "true",
        "attributes": attributes,
        "client_metadata": event["request"].get("clientMetadata") or {},
        "as_of": datetime.now(timezone.utc).isoformat(),
    }
    if email is not None:
        fields["email"] = email
    return json.dumps(fields)
