package probe

import (
	"bytes"
	"encoding/json"
	"net"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"golang.org/x/net/dns/dnsmessage"
)

// serve answers each query by UDP with what reply makes of it, nil for nothing, and returns the address.
func serve(t *testing.T, reply func(query []byte) [][]byte) string {
	t.Helper()
	connection, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = connection.Close() })
	go func() {
		buffer := make([]byte, maxAnswer)
		for {
			n, from, err := connection.ReadFrom(buffer)
			if err != nil {
				return
			}
			for _, packet := range reply(append([]byte(nil), buffer[:n]...)) {
				_, _ = connection.WriteTo(packet, from)
			}
		}
	}()
	return connection.LocalAddr().String()
}

// answering makes a response with the query's number, moved by shift.
func answering(t *testing.T, query []byte, shift uint16, code dnsmessage.RCode) []byte {
	var message dnsmessage.Message
	if err := message.Unpack(query); err != nil {
		t.Errorf("the query is no DNS message: %v", err)
		return nil
	}
	message.ID += shift
	message.Response, message.RCode = true, code
	packed, err := message.Pack()
	if err != nil {
		t.Error(err)
	}
	return packed
}

func askOne(t *testing.T, address string) Result {
	t.Helper()
	results, err := DNS(t.Context(), 600*time.Millisecond, defaultName, []string{address})
	if err != nil {
		t.Fatal(err)
	}
	return results[0]
}

func TestAnAnswerOfAnyCodeIsOpen(t *testing.T) {
	for _, code := range []dnsmessage.RCode{dnsmessage.RCodeSuccess, dnsmessage.RCodeNameError, dnsmessage.RCodeRefused,
		dnsmessage.RCodeServerFailure} {
		address := serve(t, func(query []byte) [][]byte { return [][]byte{answering(t, query, 0, code)} })
		NewWithT(t).Expect(askOne(t, address).Result).To(Equal(Open), code.String())
	}
}

func TestTheQueryAsksForTheNameAsRFC1035Says(t *testing.T) {
	g := NewWithT(t)
	asked := make(chan dnsmessage.Message, 1)
	address := serve(t, func(query []byte) [][]byte {
		var message dnsmessage.Message
		_ = message.Unpack(query)
		asked <- message
		return [][]byte{answering(t, query, 0, dnsmessage.RCodeSuccess)}
	})
	g.Expect(askOne(t, address).Result).To(Equal(Open))
	var message dnsmessage.Message
	g.Expect(asked).To(Receive(&message))
	g.Expect(message.Response).To(BeFalse())
	g.Expect(message.Questions).To(HaveLen(1))
	g.Expect(message.Questions[0].Name.String()).To(Equal("kubernetes.default.svc.cluster.local."))
}

func TestWhatIsNoAnswerToOurQueryIsPassedOver(t *testing.T) {
	g := NewWithT(t)
	stray := serve(t, func(query []byte) [][]byte {
		return [][]byte{[]byte("x"), query, answering(t, query, 1, dnsmessage.RCodeSuccess)} // noise, an echo, another query's answer
	})
	g.Expect(askOne(t, stray).Result).To(Equal(Timeout))
	late := serve(t, func(query []byte) [][]byte {
		return [][]byte{[]byte("x"), answering(t, query, 0, dnsmessage.RCodeSuccess)}
	})
	g.Expect(askOne(t, late).Result).To(Equal(Open))
}

func TestALostQueryIsSentAgain(t *testing.T) {
	first := true
	address := serve(t, func(query []byte) [][]byte {
		if first {
			first = false
			return nil
		}
		return [][]byte{answering(t, query, 0, dnsmessage.RCodeSuccess)}
	})
	NewWithT(t).Expect(askOne(t, address).Result).To(Equal(Open))
}

func TestSilenceAndRefusalAreToldApart(t *testing.T) {
	g := NewWithT(t)
	g.Expect(askOne(t, serve(t, func([]byte) [][]byte { return nil })).Result).To(Equal(Timeout))
	connection, err := net.ListenPacket("udp", "127.0.0.1:0")
	g.Expect(err).NotTo(HaveOccurred())
	address := connection.LocalAddr().String()
	g.Expect(connection.Close()).To(Succeed())
	g.Expect(askOne(t, address).Result).To(Equal(Refused))
}

func TestTheDNSCommandPrintsOneJSONArray(t *testing.T) {
	g := NewWithT(t)
	address := serve(t, func(query []byte) [][]byte { return [][]byte{answering(t, query, 0, dnsmessage.RCodeNameError)} })
	var stdout, stderr bytes.Buffer
	g.Expect(run(t.Context(), []string{"dns", "--name", "example.com", address}, &stdout, &stderr)).To(Equal(exitDone), stderr.String())
	var results []map[string]any
	g.Expect(json.Unmarshal(stdout.Bytes(), &results)).To(Succeed())
	g.Expect(results).To(HaveLen(1))
	g.Expect(results[0]).To(And(HaveKeyWithValue("target", address), HaveKeyWithValue("result", "open")))
	g.Expect(run(t.Context(), []string{"dns", "--name", string(bytes.Repeat([]byte("a"), 300)), address}, &stdout, &stderr)).
		To(Equal(exitUsage))
	g.Expect(stderr.String()).To(ContainSubstring("at most 255 bytes"))
}
