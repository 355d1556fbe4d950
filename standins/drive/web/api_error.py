"""The errors that Google's API answers with.

https://developers.google.com/workspace/drive/api/guides/handle-errors
"""

from __future__ import annotations

from dataclasses import dataclass, field

from .http import Response

_DOMAINS = {
    "rateLimitExceeded": "usageLimits",
    "userRateLimitExceeded": "usageLimits",
}


@dataclass
class ApiError(Exception):
    """An error in Drive's words; `reason` is what clients look at, and sometimes `message`."""

    status: int
    reason: str
    message: str
    headers: dict[str, str] = field(default_factory=dict)

    def response(self) -> Response:
        if self.status == 502:
            # Made by the front end, which knows nothing of JSON.
            page = f"<html><title>Error 502 ({self.message})</title></html>".encode()
            return Response(502, page, {"Content-Type": "text/html", **self.headers})
        detail = {
            "message": self.message,
            "domain": _DOMAINS.get(self.reason, "global"),
            "reason": self.reason,
        }
        error = {"code": self.status, "message": self.message, "errors": [detail]}
        return Response.of_json({"error": error}, self.status, self.headers)


@dataclass
class TokenError(Exception):
    """What the token endpoint says: RFC 6749, section 5.2."""

    error: str
    description: str
    status: int = 400

    @property
    def reason(self) -> str:
        return self.error

    def response(self) -> Response:
        return Response.of_json(
            {"error": self.error, "error_description": self.description}, self.status
        )


@dataclass
class UnknownRequest(Exception):
    """The stand-in does not know what this asks for. It is recorded, and fails tests."""

    what: str


def not_found(file_id: str) -> ApiError:
    return ApiError(404, "notFound", f"File not found: {file_id}.")


def bad_request(message: str) -> ApiError:
    return ApiError(400, "badRequest", message)
