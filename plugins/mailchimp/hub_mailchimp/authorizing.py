"""Mailchimp's OAuth 2: no scopes, no expiry, and a look-up that tells where the account is.

Source: https://mailchimp.com/developer/marketing/guides/access-user-data-oauth-2/
"""

from __future__ import annotations

from hub import CredentialRefused, OAuth, PartnerClient
from hub_mailchimp.paths import told

OAUTH = OAuth(
    authorize_url="https://login.mailchimp.com/oauth2/authorize",
    token_url="https://login.mailchimp.com/oauth2/token",
    token="api_key",
    page="https://us1.admin.mailchimp.com/account/oauth2/",
)


async def look_up(http: PartnerClient, token: str) -> dict[str, str]:
    """The setting `data_centre` that belongs to a token. Raises CredentialRefused, PartnerUnavailable."""
    answer = await http.get("/oauth2/metadata", headers={"Authorization": f"OAuth {token}"})
    if isinstance(answer, dict) and answer.get("error"):
        raise CredentialRefused(f"Mailchimp does not know the token that it gave: {answer['error']}.")
    return {"data_centre": str(told(answer, "dc", "/oauth2/metadata")["dc"])}
