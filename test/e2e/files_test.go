//go:build e2e

package e2e

import (
	"crypto/rand"
	"fmt"
	"net/http"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/openimstack/openim-operator/hack/environment/chat"
)

// sharesPicture uploads a picture and a file in parts as alice, sends bob the links, and downloads both as bob at another replica.
func sharesPicture(ctx SpecContext) {
	all := gateways(ctx)
	store, err := environment.Files(ctx, stack)
	Expect(err).NotTo(HaveOccurred())
	as, with := all[0].As(users[alice]), all[1].As(users[bob])
	bobSocket, aliceSocket := socket(ctx, all[1], bob), socket(ctx, all[0], alice)
	began := time.Now()
	for name, size := range map[string]int{alice + "/cat.png": 70_000, alice + "/film.mp4": chat.PartBytes + 4096} {
		content := make([]byte, size)
		_, _ = rand.Read(content) // never fails
		link, err := store.Upload(ctx, as, name, content)
		Expect(err).NotTo(HaveOccurred())
		Expect(link).To(Equal(all[0].Audience + "/im/v1/object/" + name))
		_, err = aliceSocket.Send(ctx, bob, link)
		Expect(err).NotTo(HaveOccurred())
		got, err := bobSocket.Receive(ctx, func(m chat.Received) bool { return m.Text == link })
		Expect(err).NotTo(HaveOccurred())
		status, downloaded, err := store.Download(ctx, with, got.Text)
		Expect(err).NotTo(HaveOccurred())
		Expect(status).To(Equal(http.StatusOK), "%.300s", downloaded)
		Expect(downloaded).To(Equal(content))
		nobody := with
		nobody.Token = ""
		_, refusal, err := store.Download(ctx, nobody, link)
		Expect(err).NotTo(HaveOccurred())
		Expect(string(refusal)).To(MatchRegexp(`"errCode":1[0-9]{3}`))
	}
	AddReportEntry("two files, up and down", time.Since(began).Round(10*time.Millisecond).String())
	status, _, err := store.Get(ctx, fmt.Sprintf("%s/openim/openim/data/hash/%s",
		stack.Spec.Dependencies.ObjectStorage.MinIO.ExternalAddress, strings.Repeat("0", 32)))
	Expect(err).NotTo(HaveOccurred())
	Expect(status).To(Equal(http.StatusForbidden), "the store gives nothing without a signature")
}
