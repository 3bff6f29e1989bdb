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

// Times of a key set that is fetched. OpenID Connect Core 10.1.1 leaves them to the one who fetches.
const (
	// MinRefresh and MaxRefresh are the bounds within which a reply's Cache-Control is honoured.
	MinRefresh = 5 * time.Minute
	MaxRefresh = time.Hour
	// defaultRefresh is for a reply that does not say.
	defaultRefresh = 15 * time.Minute
	// Cooldown is the least time between two fetches because of a key that is not known, whatever became of the first.
	Cooldown = 30 * time.Second
	// StaleAfter is how long the last good set is used while none can be fetched.
	StaleAfter = 24 * time.Hour
	// firstRetry and Cooldown bound the wait after a failure, which doubles each time.
	firstRetry = time.Second
	// fetchTimeout is for all of one fetch.
	fetchTimeout = 10 * time.Second
	// seekWait is how long a request with an unknown key waits for the fetch that it has caused or met.
	seekWait = 2 * time.Second
	// maxSeekers is how many wait at once.
	maxSeekers = 32
	// A key that was not in a fresh set is sought again after Cooldown, since the provider may just have been about to publish it, and then
	// after twice as long each time up to absentFor, since an old client may go on with a key that is gone. maxAbsent are remembered.
	absentFor = 10 * time.Minute
	maxAbsent = 256
)

// CAFile is a file of PEM certificates, for a provider whose certificate no public authority has signed.
func CAFile(name, path string) *filewatch.Source[*x509.CertPool] {
	return filewatch.New(name, func(contents [][]byte) (*x509.CertPool, error) {
		pool := x509.NewCertPool()
		if !pool.AppendCertsFromPEM(contents[0]) {
			return nil, errors.New("holds no certificate in PEM")
		}
		return pool, nil
	}, path)
}

// CAs gives the authorities whose certificates are trusted.
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

// NewRemotes registers its metrics on reg. It calls nobody before Run.
func NewRemotes(log *slog.Logger, reg prometheus.Registerer) *Remotes {
	r := &Remotes{log: log,
		fetches: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "openim_wrapper_jwks_fetches_total", Help: "Fetches of a provider's key set, by result: taken, unchanged or failed.",
		}, []string{"keys", "result"}),
		loaded: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "openim_wrapper_jwks_loaded_timestamp_seconds",
			Help: fmt.Sprintf("When the provider's key set was last seen to be right; %.0f hours later it is used no more.", StaleAfter.Hours()),
		}, []string{"keys"}),
	}
	reg.MustRegister(r.fetches, r.loaded)
	return r
}

// Add makes a source of keys. name is its label in logs and metrics. url is fixed here, nothing in a token changes it; it
// must be one that CheckJWKSURL accepts. cas may be nil: the system's authorities.
func (r *Remotes) Add(name, url string, cas CAs) *Remote {
	k := &Remote{name: name, url: url, cas: cas, log: r.log, fetches: r.fetches, loaded: r.loaded, ask: make(chan struct{}, 1), absent: map[string]absence{}}
	k.transport = k.dial
	r.remotes = append(r.remotes, k)
	return k
}

// Run fetches every set now and then until ctx ends.
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

	mu      sync.Mutex
	set     *KeySet
	etag    string
	good    time.Time // when set was last seen to be right
	tried   time.Time // when the last fetch began
	err     error     // of the last fetch
	fetched chan struct{}
	seekers int
	absent  map[string]absence // key identifiers that a fresh set did not have, and when
}

// Name is the label given to Add.
func (k *Remote) Name() string { return k.name }

// Get implements Keys. A set that could not be fetched anew is used for a day.
func (k *Remote) Get() (*KeySet, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	switch {
	case k.set == nil && k.err != nil:
		return nil, fmt.Errorf("the key set %s has not been fetched yet: %w", k.name, k.err)
	case k.set == nil:
		return nil, fmt.Errorf("the key set %s has not been fetched yet", k.name)
	case time.Since(k.good) > StaleAfter:
		return nil, fmt.Errorf("the key set %s could not be fetched for %.0f hours: %v", k.name, StaleAfter.Hours(), k.err) //nolint:errorlint // nil is possible, and nobody asks for the kind
	}
	return k.set, nil
}

// Loaded gives an error until the set has been fetched once, and never again after that: a replica must not fall out of
// service because a provider is down.
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

// Seek is asked for a key that the set does not have: the provider may have begun to use a new one. It gives a set that
// was fetched meanwhile, or nil. What strangers write into a token can cause one fetch in Cooldown and no more.
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
		k.ask <- struct{}{} // there is room: nobody else begins before the fetch is over
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

// begin marks the start of a fetch; mu is held.
func (k *Remote) begin() {
	k.tried = time.Now()
	k.fetched = make(chan struct{})
}

// absence is a key that fresh sets did not have: when the last one was looked at, and how long none is fetched because of the key.
type absence struct {
	at   time.Time
	wait time.Duration
}

// remember notes a key that a fresh set does not have; mu is held.
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
	k.absent[kid] = absence{at: time.Now(), wait: min(max(2*before.wait, Cooldown), absentFor)}
}

// run fetches at once, then when the last reply says, sooner after a failure, and when Seek asks.
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

// refresh fetches once and says when to do so again.
func (k *Remote) refresh(ctx context.Context) (time.Duration, error) {
	k.mu.Lock()
	etag, had := k.etag, k.set != nil
	k.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	reply, err := k.fetch(ctx, etag)
	if err == nil && reply.set == nil && !had {
		err = errors.New("the provider says that nothing has changed, though nothing was ever fetched")
	}

	k.mu.Lock()
	defer k.mu.Unlock()
	// A fetch that Seek began while this one was under way is answered by it.
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
			k.log.Warn("a key set could not be fetched, the last good one stays in force", "keys", k.name, "loaded", had, "error", err.Error())
		}
		return 0, err
	}
	k.good = time.Now()
	k.loaded.WithLabelValues(k.name).Set(float64(k.good.Unix()))
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
