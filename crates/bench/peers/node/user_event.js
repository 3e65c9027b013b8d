// The argument of the contract `cognito.ensure_user(event jsonb)`, as docs/own-table.md describes it.

exports.userEvent = (event) => {
  const attributes = event.request.userAttributes;
  const handle = attributes.preferred_username || event.userName;
  const digits = attributes.sub.replaceAll("-", "");
  return JSON.stringify({
    contract: 1,
    sub: attributes.sub,
    user_name: event.userName,
    user_pool_id: event.userPoolId,
    client_id: event.callerContext.clientId,
    trigger_source: event.triggerSource,
    display_name: attributes.name || handle,
    handles: [handle, ...[4, 8, 16, 32].map((length) => `${handle}-${digits.slice(0, length)}`)],
    // Left out if it is undefined.
    email: attributes.email,
    email_verified: attributes.email !== undefined && attributes.email_verified === "true",
    attributes,
    client_metadata: event.request.clientMetadata || {},
    as_of: new Date().toISOString(),
  });
};
