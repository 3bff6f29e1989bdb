package auth

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/openimstack/openim-operator/wrapper/filewatch"
)

// Times of a fetched key set. OpenID Connect Core 10.1.1 leaves them to the client.
const (
	// MinRefresh and MaxRefresh bound the times of a reply's Cache-Control.
	MinRefresh = 5 * time.Minute
	MaxRefresh = time.Hour
	// defaultRefresh is used when a reply has no Cache-Control.
	defaultRefresh = 15 * time.Minute
	// Cooldown is the shortest time between two fetches because of unknown keys, whatever the result of the first.
	Cooldown = 30 * time.Second
	// StaleAfter is how long the last good set is used while none can be fetched.
	StaleAfter = 24 * time.Hour
	// firstRetry and Cooldown bound the wait after a failure, which doubles each time.
	firstRetry = time.Second
	// fetchTimeout bounds one fetch.
	fetchTimeout = 10 * time.Second
	// seekWait is how long a request with an unknown key waits for a fetch.
	seekWait = 2 * time.Second
	// maxSeekers is how many requests may wait at once.
	maxSeekers = 32
	// A key that a fresh set did not have is sought again after Cooldown, because the provider may be about to publish it. After that it
	// is sought after twice as long each time, up to maxAbsence, because an old client may keep using a removed key. maxAbsent such keys
	// are remembered.
	maxAbsence = 10 * time.Minute
	maxAbsent  = 256
)

// CAFile watches a file of PEM certificates, for a provider whose certificate no public authority has signed.
func CAFile(name, path string) *filewatch.Source[*x509.CertPool] {
	return filewatch.New(name, func(contents [][]byte) (*x509.CertPool, error) {
		pool := x509.NewCertPool()
		if !pool.AppendCertsFromPEM(contents[0]) {
			return nil, errors.New("holds no certificate in PEM")
		}
		return pool, nil
	}, path)
}

// CAs returns the trusted authorities.
type CAs interface {
	Get() (*x509.CertPool, error)
}

// Remotes fetches the key sets of identity providers.
type Remotes struct {
	log     *slog.Logger
	remotes []*Remote
	fetches *prometheus.CounterVec
	loaded  *prometheus.GaugeVec
}

// NewRemotes registers its metrics on reg. It makes no connection before Run.
func NewRemotes(log *slog.Logger, reg prometheus.Registerer) *Remotes {
	r := &Remotes{log: log,
		fetches: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "openim_wrapper_jwks_fetches_total", Help: "Fetches of a provider's key set, by result: taken, unchanged or failed.",
		}, []string{"keys", "result"}),
		loaded: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "openim_wrapper_jwks_loaded_timestamp_seconds",
			Help: fmt.Sprintf("When the provider's key set was last confirmed; %.0f hours later it is no longer used.", StaleAfter.Hours()),
		}, []string{"keys"}),
	}
	reg.MustRegister(r.fetches, r.loaded)
	return r
}

// Add adds a key set. name is its label in logs and metrics. url must be accepted by CheckJWKSURL. It is fixed here: nothing in a token can
// change it. With nil cas the system's authorities are trusted.
func (r *Remotes) Add(name, url string, cas CAs) *Remote {
	k := &Remote{
		name: name, url: url, cas: cas, log: r.log, fetches: r.fetches, loaded: r.loaded,
		ask: make(chan struct{}, 1), absent: map[string]absence{},
	}
	k.transport = k.dial
	r.remotes = append(r.remotes, k)
	return k
}

// Run fetches every set periodically until ctx ends.
func (r *Remotes) Run(ctx context.Context) {
	var work sync.WaitGroup
	for _, k := range r.remotes {
		work.Go(func() { k.run(ctx) })
	}
	work.Wait()
}

// Remote is one provider's key set, fetched by URL. It implements Keys.
type Remote struct {
	name, url string
	cas       CAs
	log       *slog.Logger
	fetches   *prometheus.CounterVec
	loaded    *prometheus.GaugeVec
	transport func() (http.RoundTripper, func(), error)
	ask       chan struct{}

	mu        sync.Mutex
	set       *KeySet
	etag      string
	confirmed time.Time // when set was last confirmed
	tried     time.Time // when the last fetch began
	err       error     // of the last fetch
	fetched   chan struct{}
	seekers   int
	absent    map[string]absence // key identifiers that a fresh set did not have
}

// Name returns the label that was given to Add.
func (k *Remote) Name() string { return k.name }

// Get implements Keys. It returns the last good set for up to StaleAfter while none can be fetched.
func (k *Remote) Get() (*KeySet, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	switch {
	case k.set == nil && k.err != nil:
		return nil, fmt.Errorf("the key set %s has not been fetched yet: %w", k.name, k.err)
	case k.set == nil:
		return nil, fmt.Errorf("the key set %s has not been fetched yet", k.name)
	case time.Since(k.confirmed) > StaleAfter:
		return nil, fmt.Errorf( //nolint:errorlint // k.err can be nil, and no caller asks for its kind
			"the key set %s could not be fetched for %.0f hours: %v", k.name, StaleAfter.Hours(), k.err)
	}
	return k.set, nil
}

// Loaded returns an error until the set was fetched once, and nil ever after: an outage of the provider must not take a replica out of
// service.
func (k *Remote) Loaded() error {
	k.mu.Lock()
	loaded := k.set != nil
	k.mu.Unlock()
	if loaded {
		return nil
	}
	_, err := k.Get()
	return err
}

// Seek is called with a key identifier that the set does not have, because the provider may have started to use a new key. It returns a set
// that was fetched meanwhile, or nil. Unknown key identifiers in unverified tokens trigger at most one fetch per Cooldown.
func (k *Remote) Seek(kid string) *KeySet {
	k.mu.Lock()
	if a, known := k.absent[kid]; known && time.Since(a.at) < a.wait {
		k.mu.Unlock()
		return nil
	}
	if k.fetched == nil {
		if !k.tried.IsZero() && time.Since(k.tried) < Cooldown {
			k.mu.Unlock()
			return nil
		}
		k.begin()
		k.ask <- struct{}{} // does not block: no other caller begins before this fetch is over
	}
	done := k.fetched
	if k.seekers >= maxSeekers {
		k.mu.Unlock()
		return nil
	}
	k.seekers++
	k.mu.Unlock()

	timer := time.NewTimer(seekWait)
	defer timer.Stop()
	over := false
	select {
	case <-done:
		over = true
	case <-timer.C:
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.seekers--
	if !over || k.err != nil {
		return nil
	}
	if !k.set.has(kid) {
		k.remember(kid)
	}
	return k.set
}

// begin marks the start of a fetch. The caller holds mu.
func (k *Remote) begin() {
	k.tried = time.Now()
	k.fetched = make(chan struct{})
}

// absence is a key that fresh sets did not have: when the last set was checked, and how long the key triggers no further fetch.
type absence struct {
	at   time.Time
	wait time.Duration
}

// remember records a key that a fresh set does not have. The caller holds mu.
func (k *Remote) remember(kid string) {
	before, known := k.absent[kid]
	if !known && len(k.absent) >= maxAbsent {
		oldest := ""
		for id, a := range k.absent {
			if oldest == "" || a.at.Before(k.absent[oldest].at) {
				oldest = id
			}
		}
		delete(k.absent, oldest)
	}
	k.absent[kid] = absence{at: time.Now(), wait: min(max(2*before.wait, Cooldown), maxAbsence)}
}

// run fetches at once, then as the last reply allows, sooner after a failure, and whenever Seek asks.
func (k *Remote) run(ctx context.Context) {
	retry := firstRetry
	for {
		k.mu.Lock()
		if k.fetched == nil {
			k.begin()
		}
		k.mu.Unlock()
		pause, err := k.refresh(ctx)
		if err != nil {
			pause, retry = retry, min(2*retry, Cooldown)
		} else {
			retry = firstRetry
		}
		timer := time.NewTimer(pause)
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-timer.C:
		case <-k.ask:
			timer.Stop()
		}
	}
}

// refresh fetches once and returns the pause until the next fetch.
func (k *Remote) refresh(ctx context.Context) (time.Duration, error) {
	k.mu.Lock()
	etag, had := k.etag, k.set != nil
	k.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	reply, err := k.fetch(ctx, etag)
	if err == nil && reply.set == nil && !had {
		err = errors.New("the provider reports an unchanged set although no set was fetched before")
	}

	k.mu.Lock()
	defer k.mu.Unlock()
	// This fetch also answers a Seek that began while it was running.
	select {
	case <-k.ask:
	default:
	}
	defer func() {
		close(k.fetched)
		k.fetched = nil
	}()
	said := k.err
	k.err = err
	if err != nil {
		k.fetches.WithLabelValues(k.name, "failed").Inc()
		if said == nil || said.Error() != err.Error() {
			k.log.Warn("fetching a key set failed: the last good set stays in use: check the provider and the network to it",
				"keys", k.name, "loaded", had, "error", err.Error())
		}
		return 0, err
	}
	k.confirmed = time.Now()
	k.loaded.WithLabelValues(k.name).Set(float64(k.confirmed.Unix()))
	result := "unchanged"
	if reply.set != nil {
		result = "taken"
		k.set, k.etag = reply.set, reply.etag
		clear(k.absent)
	}
	k.fetches.WithLabelValues(k.name, result).Inc()
	if said != nil || !had {
		k.log.Info("a key set was fetched", "keys", k.name, "count", k.set.Len())
	}
	return reply.fresh, nil
}
