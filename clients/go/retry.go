package sluice

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"time"

	"google.golang.org/grpc/codes"
)

const (
	doubtPause = 100 * time.Millisecond
	// pauseMax: pauses grow to this, so that several attempts fit into a deadline.
	pauseMax = 3 * time.Second
	// resumePauseMin and resumePauseMax are between attempts of a call without an end of its own.
	resumePauseMin = 100 * time.Millisecond
	resumePauseMax = 5 * time.Second
)

// definite has codes which show that no attempt has stored the commit, and none will.
var definite = append([]Code{CodeVersionConflict, CodeAppendConditionFailed, CodeCommitIDReuse, CodeInvalidRequest}, streamCodes...)

// untilDecided makes a call that stores something until its outcome is known. It fails with the last error; but once an attempt has
// been in doubt, only with that doubt or with an error that ends it.
func untilDecided(ctx context.Context, attemptsMax int, send func() error) error {
	end, hasEnd := ctx.Deadline()
	var doubt error
	for attempt := 1; ; attempt++ {
		err := send()
		if err == nil {
			return nil
		}
		if CodeOf(err) == CodeOutcomeUnknown {
			doubt = err
		}
		pause, again := pauseBeforeAttempt(err, attempt)
		isLast := attempt >= attemptsMax || hasEnd && !time.Now().Add(pause).Before(end)
		if doubt != nil && !slices.Contains(definite, CodeOf(err)) {
			err = doubt
		}
		if !again || isLast {
			return err
		}
		if ended := sleep(ctx, pause); ended != nil {
			var failed *CallError
			errors.As(err, &failed)
			failed.cause = ended
			return err
		}
	}
}

// pauseBeforeAttempt gives false if another attempt is pointless.
func pauseBeforeAttempt(err error, attempt int) (time.Duration, bool) {
	var failed *CallError
	if !errors.As(err, &failed) {
		return 0, false
	}
	delay := failed.RetryDelay
	growing := float64(max(delay, min(delay*time.Duration(attempt), pauseMax)))
	switch failed.Code {
	case CodeUnavailable, CodeStoreUnavailable, CodeReplicaFilling, CodeOverloaded, CodeConditionContended:
		return time.Duration(growing * (0.5 + rand.Float64())), true
	case CodeQuotaExceeded: // before its delay has passed, it refuses for certain
		return time.Duration(growing * (1 + rand.Float64()/2)), true
	case CodeOutcomeUnknown:
		return doubtPause * time.Duration(attempt), true
	}
	return 0, false
}

// mayPass says whether a subscription or a member that ended with this error may succeed when it is made again: the gateway is
// away, stops, or has ended a slow call; or there is no token.
func mayPass(err error) bool {
	var failed *CallError
	if !errors.As(err, &failed) {
		return false
	}
	switch failed.Code {
	case CodeUnavailable, CodeStoreUnavailable, CodeReplicaFilling, CodeOverloaded, CodeQuotaExceeded, CodeCancelled, CodeDeadlineExceeded:
		return true
	case CodeUnauthenticated:
		var refused *UnauthenticatedError
		return errors.As(err, &refused) && refused.noToken
	case CodeInternal:
		return failed.status.Code() != codes.Unimplemented
	case CodeInvalidRequest: // a proxy has had enough of the caller
		return failed.status.Code() == codes.ResourceExhausted
	}
	return false
}

// resumePause grows with the number of failures in a row.
func resumePause(ctx context.Context, failures int) error {
	pause := min(resumePauseMax, resumePauseMin<<min(failures, 10))
	return sleep(ctx, time.Duration(float64(pause)*(0.5+rand.Float64()/2)))
}

// sleep gives what has ended the context meanwhile.
func sleep(ctx context.Context, pause time.Duration) error {
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// retriesDefault is how often RetryOnConflict and RetryOnCondition call at most.
const retriesDefault = 10

// RetryOnConflict reads, decides and appends, and does it again when another writer was faster:
//
//	err := sluice.RetryOnConflict(ctx, func(ctx context.Context) error {
//		order, version, err := load(ctx, client, "order.1")
//		if err != nil {
//			return err
//		}
//		_, err = client.Append(ctx, "order.1", ship(order), sluice.ExpectVersion(version))
//		return err
//	})
//
// It calls attempt at most 10 times, and returns its last error; every error other than a [*VersionConflictError] at once.
func RetryOnConflict(ctx context.Context, attempt func(ctx context.Context) error) error {
	return RetryOnConflictUpTo(ctx, retriesDefault, attempt)
}

// RetryOnConflictUpTo is RetryOnConflict with another number of attempts, 1 or more.
func RetryOnConflictUpTo(ctx context.Context, attemptsMax int, attempt func(ctx context.Context) error) error {
	return retryUpTo(ctx, attemptsMax, isConflict, attempt)
}

func isConflict(err error) bool {
	var conflict *VersionConflictError
	return errors.As(err, &conflict)
}

func retryUpTo(ctx context.Context, attemptsMax int, isRetried func(error) bool, attempt func(ctx context.Context) error) error {
	if attemptsMax < 1 {
		return badArgument("the number of attempts must be at least 1; found %d", attemptsMax)
	}
	for number := 1; ; number++ {
		err := attempt(ctx)
		if err == nil || !isRetried(err) || number >= attemptsMax {
			return err
		}
		// A random pause, so that writers that collided do not collide again.
		pause := min(500*time.Millisecond, 5*time.Millisecond<<min(number, 10))
		if ended := sleep(ctx, time.Duration(rand.Float64()*float64(pause))); ended != nil {
			return ended
		}
	}
}
