// Package sluice is the client of Sluice, an event store over NATS JetStream, for Go.
//
//	client, err := sluice.Connect("127.0.0.1:50051")
//	...
//	defer client.Close()
//	placed, err := sluice.JSONEvent("OrderPlaced", order)
//	...
//	result, err := client.Append(ctx, "order.1001", []*sluice.Event{placed}, sluice.ExpectVersion(0))
//
// Messages are those of package sluicev1, which the protocol buffers compiler makes from the contract; its comments define every
// field. A program that uses the stubs itself takes them from there too, since Go permits one registration of a message only.
//
// # Errors
//
// Every call fails with an error in which errors.As finds a [*CallError], which has the code, and with a more specific type where
// there is more to say, such as [*VersionConflictError]. If the context of the call has ended, errors.Is finds
// context.Canceled or context.DeadlineExceeded as well. An argument that cannot be sent is an [*ArgumentError].
package sluice
