package main

import (
	"context"
	"io"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

const advertisedName = "kafka.infra.svc:9092"

func startBroker(t *testing.T, dir string) *broker {
	t.Helper()
	cfg, err := parse([]string{"--listen=127.0.0.1:0", "--advertise=" + advertisedName, "--data-dir=" + dir}, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	b, err := start(cfg, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// client reaches the broker as a pod would: it asks for the advertised name, and what stands in for cluster DNS here
// leads that one name to the listener. Any other name in a metadata reply fails the test.
func client(t *testing.T, b *broker, opts ...kgo.Opt) *kgo.Client {
	t.Helper()
	cl, err := kgo.NewClient(append([]kgo.Opt{
		kgo.SeedBrokers(advertisedName),
		kgo.Dialer(func(ctx context.Context, network, host string) (net.Conn, error) {
			if host != advertisedName {
				t.Errorf("client was sent to %q, want %q", host, advertisedName)
			}
			return (&net.Dialer{}).DialContext(ctx, network, b.addr.String())
		}),
	}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cl.Close)
	return cl
}

func TestMetadataNamesTheAdvertisedAddressAndTheSeededTopics(t *testing.T) {
	b := startBroker(t, t.TempDir())
	defer b.close()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()

	resp, err := kmsg.NewPtrMetadataRequest().RequestWith(ctx, client(t, b))
	if err != nil {
		t.Fatal(err)
	}
	if len(resp.Brokers) != 1 || resp.Brokers[0].Host != "kafka.infra.svc" || resp.Brokers[0].Port != 9092 {
		t.Errorf("brokers = %+v, want one at %s", resp.Brokers, advertisedName)
	}
	var got []string
	for _, topic := range resp.Topics {
		got = append(got, *topic.Topic)
		if len(topic.Partitions) != 8 {
			t.Errorf("topic %s has %d partitions, want 8", *topic.Topic, len(topic.Partitions))
		}
	}
	slices.Sort(got)
	if want := []string{"toMongo", "toOfflinePush", "toPush", "toRedis"}; !slices.Equal(got, want) {
		t.Errorf("topics = %v, want %v", got, want)
	}
}

func TestRecordsAndGroupOffsetsOutliveARestart(t *testing.T) {
	dir := t.TempDir()
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	group := []kgo.Opt{kgo.ConsumerGroup("redis"), kgo.ConsumeTopics("toRedis"), kgo.DisableAutoCommit(),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart())}

	first := startBroker(t, dir)
	producer := client(t, first, kgo.DefaultProduceTopic("toRedis"))
	if err := producer.ProduceSync(ctx, kgo.StringRecord("read before")).FirstErr(); err != nil {
		t.Fatal(err)
	}
	reader := client(t, first, group...)
	if got := next(ctx, t, reader); got != "read before" {
		t.Fatalf("read %q, want %q", got, "read before")
	}
	if err := reader.CommitUncommittedOffsets(ctx); err != nil {
		t.Fatal(err)
	}
	if err := producer.ProduceSync(ctx, kgo.StringRecord("read after")).FirstErr(); err != nil {
		t.Fatal(err)
	}
	reader.Close()
	producer.Close()
	first.close()

	second := startBroker(t, dir)
	defer second.close()
	if got := next(ctx, t, client(t, second, group...)); got != "read after" {
		t.Errorf("after the restart the group read %q, want %q: records or offsets were lost", got, "read after")
	}
}

// next polls until one record comes.
func next(ctx context.Context, t *testing.T, cl *kgo.Client) string {
	t.Helper()
	for {
		fetches := cl.PollRecords(ctx, 1)
		if err := ctx.Err(); err != nil {
			t.Fatalf("no record came: %v", err)
		}
		if records := fetches.Records(); len(records) > 0 {
			return string(records[0].Value)
		}
	}
}

func TestRunServesUntilItIsToldToStop(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	out, lines := io.Pipe()
	done := make(chan error, 1)
	go func() {
		done <- run(ctx, []string{"--listen=127.0.0.1:0", "--data-dir=" + t.TempDir()}, lines)
		_ = lines.Close()
	}()

	buf := make([]byte, 4096)
	n, err := out.Read(buf)
	if err != nil || !strings.Contains(string(buf[:n]), "stand-in") {
		t.Fatalf("first line = %q, %v; want one that names the stand-in", buf[:n], err)
	}
	cancel()
	rest, _ := io.ReadAll(out)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(rest), "stopped") {
		t.Errorf("last output = %q, want it to say that it stopped", rest)
	}
}

func TestConnectionsAreBounded(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	bounded := &advertisingListener{Listener: ln, slots: make(chan struct{}, 1)}
	accepted := make(chan net.Conn)
	go func() {
		for {
			conn, err := bounded.Accept()
			if err != nil {
				return
			}
			accepted <- conn
		}
	}()
	for range 2 {
		conn, err := net.Dial("tcp", ln.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
	}

	one := <-accepted
	select {
	case <-accepted:
		t.Fatal("a second connection was served while the only slot was taken")
	case <-time.After(100 * time.Millisecond): // absence can only be watched for a while
	}
	_ = one.Close()
	_ = one.Close() // a double close must give the slot back once only
	select {
	case two := <-accepted:
		_ = two.Close()
	case <-time.After(10 * time.Second):
		t.Fatal("the slot of a closed connection was not given to the next one")
	}
}

func TestBadCommandLinesSayWhatToWrite(t *testing.T) {
	for _, c := range []struct{ name, arg, want string }{
		{"advertised address without a port", "--advertise=kafka", "not host:port"},
		{"advertised port zero", "--advertise=kafka:0", "1 to 65535"},
		{"advertised host missing", "--advertise=:9092", "needs a host"},
		{"no partitions", "--partitions=0", "use 1 to 1000"},
		{"no connections", "--max-connections=0", "at least 1"},
		{"address in use or malformed", "--listen=nowhere:70000", "another --listen"},
		{"stray argument", "start", "flags only"},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := run(t.Context(), []string{"--listen=127.0.0.1:0", "--data-dir=" + t.TempDir(), c.arg}, io.Discard)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error = %v, want it to contain %q", err, c.want)
			}
		})
	}
}
