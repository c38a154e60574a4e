"""The errors of calls, by docs/errors.md."""

import re
from pathlib import Path

import grpc
import pytest
from google.protobuf.any_pb2 import Any
from google.protobuf.message import Message
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo, PreconditionFailure, QuotaFailure, RequestInfo, RetryInfo
from google.rpc.status_pb2 import Status

from sluice_eventstore import errors
from sluice_eventstore._status import Commit, Failure, failure_of_status, to_error, to_session_error
from sluice_eventstore.v1 import errors_pb2 as details_pb2

PAGE = (Path(__file__).parents[3] / "docs" / "errors.md").read_text()
KINDS: dict[str, type[Message]] = {
    f"google.rpc.{kind.__name__}": kind for kind in (BadRequest, PreconditionFailure, QuotaFailure, RetryInfo)
} | {
    f"sluice.v1.{kind.__name__}": kind
    for kind in (
        details_pb2.AppendConditionFailed,
        details_pb2.CommitIdReuse,
        details_pb2.OutcomeUnknown,
        details_pb2.StoreMismatch,
        details_pb2.UnreadableCommit,
        details_pb2.VersionConflict,
        details_pb2.VersionConflicts,
    )
}
COMMIT = Commit("order.1", "01a22b02-d8f3-7b8d-9f32-7101c7b3d8c5")

ROWS = [
    (reason, grpc.StatusCode[status], re.findall(r"`((?:google\.rpc|sluice\.v1)\.\w+)`", details))
    for reason, status, details in re.findall(r"^\| `([A-Z_]+)` \| ([A-Z_]+) \| ([^|]*) \|", PAGE, flags=re.MULTILINE)
]
# With these a gateway says that it does not know whether an append is stored.
IN_DOUBT = ("OUTCOME_UNKNOWN", "INTERNAL")


def status_of(reason: str, code: grpc.StatusCode, kinds: list[str]) -> Status:
    info = ErrorInfo(domain="sluice.v1", reason=reason, metadata={"stream": "order.1", "limit": "appends", "cause": "expired"})
    made = [info, *(KINDS[kind]() for kind in kinds if kind != "google.rpc.ErrorInfo"), RequestInfo(request_id="r-1")]
    status = Status(code=code.value[0], message="why")
    for detail in made:
        packed = Any()
        packed.Pack(detail)
        status.details.append(packed)
    return status


def test_the_page_has_its_table() -> None:
    assert len(ROWS) >= 31


@pytest.mark.parametrize(("reason", "code", "kinds"), ROWS, ids=[row[0] for row in ROWS])
def test_each_reason_of_the_page_has_an_error(reason: str, code: grpc.StatusCode, kinds: list[str]) -> None:
    failure = failure_of_status(status_of(reason, code, kinds))
    error = to_error(failure)
    assert error.code == reason
    assert isinstance(error, errors.InternalError) == (reason == "INTERNAL")
    assert (error.status, error.request_id) == (code.value[0], "r-1")
    assert (error.message, str(error)) == ("why", "why")
    retried = ("google.rpc.RetryInfo" in kinds, getattr(error, "retry_delay", None))
    assert retried in ((True, 0.0), (False, None))
    # The same for an append, except where the gateway does not know.
    assert to_error(failure, COMMIT).code == ("OUTCOME_UNKNOWN" if reason in IN_DOUBT else reason)


@pytest.mark.parametrize(
    ("code", "code_of_read", "code_of_append"),
    [
        ("UNIMPLEMENTED", "INTERNAL", "INTERNAL"),
        ("UNAUTHENTICATED", "UNAUTHENTICATED", "UNAUTHENTICATED"),
        ("PERMISSION_DENIED", "NOT_PERMITTED", "NOT_PERMITTED"),
        ("RESOURCE_EXHAUSTED", "INVALID_REQUEST", "OUTCOME_UNKNOWN"),
        ("DEADLINE_EXCEEDED", "DEADLINE_EXCEEDED", "OUTCOME_UNKNOWN"),
        ("CANCELLED", "CANCELLED", "OUTCOME_UNKNOWN"),
        ("UNAVAILABLE", "UNAVAILABLE", "OUTCOME_UNKNOWN"),
        ("UNKNOWN", "INTERNAL", "OUTCOME_UNKNOWN"),
        ("INTERNAL", "INTERNAL", "OUTCOME_UNKNOWN"),
    ],
)
def test_a_status_without_details(code: str, code_of_read: str, code_of_append: str) -> None:
    failure = Failure(grpc.StatusCode[code], "lost")
    assert to_error(failure).code == code_of_read
    error = to_error(failure, COMMIT)
    assert error.code == code_of_append
    if isinstance(error, errors.OutcomeUnknownError):
        assert (error.stream, error.commit_id) == (COMMIT.stream, COMMIT.commit_id)
    assert to_error(Failure(grpc.StatusCode[code], "lost", was_sent=False), COMMIT).code == code_of_read


@pytest.mark.parametrize(("reason", "code", "kinds"), ROWS, ids=[row[0] for row in ROWS])
def test_an_append_without_a_response_when_its_session_ends(reason: str, code: grpc.StatusCode, kinds: list[str]) -> None:
    sentence = PAGE[PAGE.index("The status of the call applies") : PAGE.index("- Anything else")]
    error = to_session_error(failure_of_status(status_of(reason, code, kinds)), COMMIT)
    assert error.code == (reason if f"`{reason}`" in sentence else "OUTCOME_UNKNOWN")


def test_details_that_cannot_be_decoded_leave_the_status() -> None:
    failure = Failure(grpc.StatusCode.ABORTED, "why", details={"google.rpc.ErrorInfo": b"\xff"})
    assert isinstance(to_error(failure), errors.InternalError)
    known = ErrorInfo(domain="sluice.v1", reason="VERSION_CONFLICT").SerializeToString()
    missing = Failure(grpc.StatusCode.ABORTED, "why", details={"google.rpc.ErrorInfo": known})
    assert isinstance(to_error(missing), errors.InternalError)
