package sluice

import (
	"context"
	"crypto/tls"
	"maps"
	"math"
	"net"
	"slices"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/resolver"
	"google.golang.org/grpc/resolver/manual"

	"github.com/sluice-eventstore/sluice/clients/go/sluicev1"
)

// Client is a client of one gateway or of several that serve the same store. Its methods can be called by several goroutines at a
// time; a program needs one client.
type Client struct {
	channel *channel
	store   sluicev1.EventStoreServiceClient
}

// Option is an option of Connect.
type Option func(*settings)

type settings struct {
	tls         *tls.Config
	callTimeout time.Duration
	attemptsMax int
	token       string
	ask         TokenFunc
	metadata    map[string]string
	inject      func(context.Context, func(key, value string))
	recordTrace bool
	dial        []grpc.DialOption
}

// WithTLS connects over TLS; nil: with the authorities of the system. Without it, the client connects in plain text.
func WithTLS(config *tls.Config) Option {
	return func(s *settings) {
		if config == nil {
			config = &tls.Config{}
		}
		s.tls = config
	}
}

// WithCallTimeout sets how long a call with one response may take, all attempts of an append included, if its context has no
// deadline. Default: 15 s, longer than the 10 s that a gateway spends on an append. 0: without limit.
func WithCallTimeout(timeout time.Duration) Option {
	return func(s *settings) { s.callTimeout = timeout }
}

// WithAppendAttempts sets how often an append, a transaction or a change of a stream is sent at most, 1 or more. It is sent again, with
// the same commit id, when the gateway or the store is away or overloaded, or when the response was lost. Default: 8.
func WithAppendAttempts(attempts int) Option {
	return func(s *settings) { s.attemptsMax = attempts }
}

// WithToken sends this API token or JWT with every call, over TLS or to this machine only.
func WithToken(token string) Option {
	return func(s *settings) { s.token = token }
}

// WithTokenFunc sends the token that a function returns. It is called when there is no token yet, and again when a gateway refuses the
// one that there is; the refused calls are then made once more, and subscriptions continue.
func WithTokenFunc(ask TokenFunc) Option {
	return func(s *settings) { s.ask = ask }
}

// WithMetadata sends gRPC metadata with every call.
func WithMetadata(values map[string]string) Option {
	return func(s *settings) { s.metadata = maps.Clone(values) }
}

// WithTracePropagation sends what inject sets, such as the traceparent of the span in a context, with every call and every append of
// a session, so that the spans of the gateway continue the trace. With OpenTelemetry:
//
//	sluice.WithTracePropagation(func(ctx context.Context, set func(key, value string)) {
//		carrier := propagation.MapCarrier{}
//		otel.GetTextMapPropagator().Inject(ctx, carrier)
//		for key, value := range carrier {
//			set(key, value)
//		}
//	})
//
// Spans of the calls themselves are made by the stats handler of otelgrpc, with WithDialOptions.
func WithTracePropagation(inject func(ctx context.Context, set func(key, value string))) Option {
	return func(s *settings) { s.inject = inject }
}

// WithRecordedTrace stores the traceparent and tracestate of WithTracePropagation in the metadata of the events that are appended,
// unless they have a traceparent of their own.
func WithRecordedTrace() Option {
	return func(s *settings) { s.recordTrace = true }
}

// WithDialOptions adds options of grpc-go, which override those of this client.
func WithDialOptions(options ...grpc.DialOption) Option {
	return func(s *settings) { s.dial = append(s.dial, options...) }
}

// Connect makes a client of the gateway at an address: host:port, unix:/path, or any other target of grpc-go. Several addresses, with
// commas between them, are gateways of one store; calls go to those that can be reached, in turn. A name that resolves to several
// addresses does the same if it is the only one. It does not connect yet: the first call does.
func Connect(addresses string, options ...Option) (*Client, error) {
	s := settings{callTimeout: 15 * time.Second, attemptsMax: 8}
	for _, option := range options {
		option(&s)
	}
	targets := strings.Split(strings.ReplaceAll(addresses, " ", ""), ",")
	if slices.Contains(targets, "") {
		return nil, badArgument("an address is empty: %q", addresses)
	}
	if s.attemptsMax < 1 || s.callTimeout < 0 {
		return nil, badArgument("WithAppendAttempts needs at least 1, and WithCallTimeout no negative time")
	}
	c := &channel{settings: s, metadata: metadata.New(s.metadata)}
	if err := c.useToken(targets); err != nil {
		return nil, err
	}
	c.closed, c.close = context.WithCancelCause(context.Background())
	c.dial = func() (*grpc.ClientConn, error) { return dial(targets, s) }
	var err error
	if c.link, err = c.newLink(); err != nil {
		return nil, &ArgumentError{err.Error()}
	}
	return &Client{channel: c, store: sluicev1.NewEventStoreServiceClient(c)}, nil
}

// EventStore gives the stub of the event store, Streams that which describes streams and hides their events, and Groups that of
// consumer groups. Their calls have the same connection, token, timeout and errors as those of the client, and those that
// have a commit id are sent again like appends.
func (c *Client) EventStore() sluicev1.EventStoreServiceClient { return c.store }

// Streams gives the stub of StreamService, see EventStore.
func (c *Client) Streams() sluicev1.StreamServiceClient {
	return sluicev1.NewStreamServiceClient(c.channel)
}

// Groups gives the stub of ConsumerGroupService, see EventStore. Consume makes a member of a group.
func (c *Client) Groups() sluicev1.ConsumerGroupServiceClient {
	return sluicev1.NewConsumerGroupServiceClient(c.channel)
}

// Close ends all calls and the connections.
func (c *Client) Close() error { return c.channel.shut() }

func dial(targets []string, s settings) (*grpc.ClientConn, error) {
	security := insecure.NewCredentials()
	if s.tls != nil {
		security = credentials.NewTLS(s.tls)
	}
	options := []grpc.DialOption{
		grpc.WithTransportCredentials(security),
		grpc.WithDisableServiceConfig(),
		grpc.WithDefaultServiceConfig(`{"loadBalancingConfig": [{"round_robin": {}}]}`),
		// This client decides what is sent again; gRPC repeats only calls that no server has received.
		grpc.WithDisableRetry(),
		// A connection that died silently must not hold its calls. grpc-go takes no interval below 10 s.
		grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: 10 * time.Second, Timeout: 3 * time.Second}),
		// gRPC's default backoff grows to two minutes.
		grpc.WithConnectParams(grpc.ConnectParams{
			Backoff:           backoff.Config{BaseDelay: 250 * time.Millisecond, Multiplier: 1.6, Jitter: 0.2, MaxDelay: 5 * time.Second},
			MinConnectTimeout: 5 * time.Second,
		}),
		// The gateway limits what it sends, and one event may be larger than gRPC's default of 4 MiB.
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(math.MaxInt32)),
	}
	target := targets[0]
	if len(targets) > 1 {
		known := manual.NewBuilderWithScheme("sluice")
		var state resolver.State
		for _, address := range targets {
			state.Addresses = append(state.Addresses, resolver.Address{Addr: address, ServerName: address})
		}
		known.InitialState(state)
		options = append(options, grpc.WithResolvers(known))
		target = "sluice:///" + target
	}
	return grpc.NewClient(target, append(options, s.dial...)...)
}

// useToken checks that a token does not leave this machine in plain text.
func (c *channel) useToken(targets []string) error {
	if c.token == "" && c.ask == nil {
		return nil
	}
	if c.token != "" && c.ask != nil {
		return badArgument("WithToken and WithTokenFunc cannot both be given")
	}
	if len(c.metadata.Get("authorization")) > 0 {
		return badArgument("a token and WithMetadata cannot both have the authorization of a call")
	}
	if at := slices.IndexFunc(targets, func(target string) bool { return !isLocal(target) }); at >= 0 && c.tls == nil {
		return badArgument("a token is not sent to %s in plain text: use WithTLS, or an address of this machine (loopback, localhost or unix:/path)", targets[at])
	}
	if c.ask != nil {
		c.tokens = &tokenSource{ask: c.ask, timeout: c.callTimeout}
		if c.callTimeout == 0 {
			c.tokens.timeout = 15 * time.Second
		}
		return nil
	}
	token, err := newToken(c.token)
	if err == nil {
		c.metadata.Set("authorization", token.header)
	}
	return err
}

// isLocal says whether a target is this machine for certain. Names other than localhost are not looked up.
func isLocal(target string) bool {
	if strings.HasPrefix(target, "unix:") || strings.HasPrefix(target, "unix-abstract:") {
		return true
	}
	address := target
	for _, scheme := range []string{"dns:///", "passthrough:///", "dns:"} {
		address = strings.TrimPrefix(address, scheme)
	}
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		host = strings.Trim(address, "[]")
	}
	return strings.EqualFold(host, "localhost") || net.ParseIP(host).IsLoopback()
}
