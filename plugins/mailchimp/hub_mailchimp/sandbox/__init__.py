"""A Mailchimp on this machine: Marketing API 3.0 as far as a cohort hub needs it. See README.md beside this file."""

from hub_mailchimp.sandbox.account import API_KEY, FIRST_LIST
from hub_mailchimp.sandbox.server import MailchimpSandbox

__all__ = ["API_KEY", "FIRST_LIST", "MailchimpSandbox"]
