package sluice

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// Every reason of docs/errors.md has a constant, and makes an error with it unless it needs details that are missing here.
func TestEveryReasonHasACode(t *testing.T) {
	page, err := os.ReadFile("../../docs/errors.md")
	if err != nil {
		t.Fatal(err)
	}
	source, err := os.ReadFile("errors.go")
	if err != nil {
		t.Fatal(err)
	}
	needDetails := "VERSION_CONFLICT APPEND_CONDITION_FAILED COMMIT_ID_REUSE OUTCOME_UNKNOWN UNREADABLE_COMMIT STORE_MISMATCH"
	byTheirStatus := "INVALID_REQUEST OVERLOADED NOT_PERMITTED DEADLINE_EXCEEDED CANCELLED UNAUTHENTICATED INTERNAL"
	rows := regexp.MustCompile("(?m)^\\| `([A-Z_]+)` \\|").FindAllStringSubmatch(string(page), -1)
	if len(rows) < 30 {
		t.Fatal("the page has", len(rows), "reasons")
	}
	for _, row := range rows {
		reason := row[1]
		if !strings.Contains(string(source), `Code = "`+reason+`"`) {
			t.Error("there is no constant for", reason)
		}
		if strings.Contains(needDetails, reason) || strings.Contains(byTheirStatus, reason) {
			continue
		}
		st, err := status.New(codes.Aborted, "it failed").WithDetails(&errdetails.ErrorInfo{Domain: errorDomain, Reason: reason})
		if err != nil {
			t.Fatal(err)
		}
		if found := CodeOf(newFailure(st, nil).asError(nil)); found != Code(reason) {
			t.Error(reason, "makes", found)
		}
	}
}
