package dependencies_test

import (
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/controllers/dependencies"
	"github.com/openimstack/openim-operator/openim"
)

// tenant returns a stack with the claims of its spec. Earlier tenants are older.
func tenant(name string, age int, change ...func(*spec)) dependencies.Tenant {
	s := letIn(change...)
	s.Name = name
	return dependencies.Tenant{
		Name: types.NamespacedName{Namespace: "im", Name: name}, UID: types.UID(name), Created: time.Unix(int64(1000-age), 0),
		Wanted: dependencies.ClaimsOfSpec(s),
	}
}

// holding returns a tenant that holds all of its claims.
func holding(t dependencies.Tenant) dependencies.Tenant {
	t.Held = t.Wanted
	return t
}

// apart gives a stack another Redis: OpenIM separates stacks in Redis by address and database number alone.
func apart(s *spec) { s.Dependencies.Redis.Addresses = []v1alpha1.Address{"redis-two.infra.svc:6379"} }

func reasons(s dependencies.Sharing) []string {
	var all []string
	for _, p := range s.Problems {
		all = append(all, p.Reason+" "+p.Field)
	}
	return all
}

// By default two stacks on one Kafka, MongoDB and etcd, and with one Redis for their wrappers, share nothing but OpenIM's Redis.
func TestStacksWithTheirDefaultsShareARedisAlone(t *testing.T) {
	g := NewWithT(t)
	one, two := tenant("one", 2), tenant("two", 1)
	g.Expect(reasons(dependencies.Shared(two, []dependencies.Tenant{one}))).To(ConsistOf("SharedStore spec.dependencies.redis.addresses"))
	g.Expect(reasons(dependencies.Shared(one, []dependencies.Tenant{two}))).To(BeEmpty(), "the older one has it")
	g.Expect(reasons(dependencies.Shared(tenant("two", 1, apart), []dependencies.Tenant{one}))).To(BeEmpty())
	problem := dependencies.Shared(two, []dependencies.Tenant{one}).Problems[0]
	g.Expect(problem.String()).To(And(ContainSubstring("OpenIMStack im/one has database 0 at redis.infra.svc:6379"),
		ContainSubstring("redis.database")))
	g.Expect(problem.Stalled).To(BeTrue())
}

// Each case is a change of the younger stack, which otherwise has another Redis, and the store that it is refused for.
func TestWhatTwoStacksMayNotShare(t *testing.T) {
	number := func(n int32) func(*spec) { return func(s *spec) { s.Dependencies.Redis.Database = &n } }
	redis := func(a ...v1alpha1.Address) func(*spec) { return func(s *spec) { s.Dependencies.Redis.Addresses = a } }
	mongo := func(name string, a ...v1alpha1.Address) func(*spec) {
		return func(s *spec) { s.Dependencies.MongoDB = v1alpha1.MongoDB{Addresses: a, Database: name} }
	}
	topics := func(prefix string, a ...v1alpha1.Address) func(*spec) {
		return func(s *spec) {
			s.Dependencies.Kafka = v1alpha1.Kafka{Brokers: a, Topics: &v1alpha1.Topics{Prefix: prefix}}
		}
	}
	files := func(name v1alpha1.Bucket) func(*spec) {
		return func(s *spec) {
			minio := &v1alpha1.MinIO{InternalAddress: "minio.infra.svc:9000", Bucket: name}
			s.Dependencies.ObjectStorage = &v1alpha1.ObjectStorage{MinIO: minio}
		}
	}
	older := tenant("one", 2, mongo("chat", "mongodb-0.mongodb.infra.svc:27017", "192.0.2.1:27017"), topics("chat-", "kafka.infra.svc:9092"),
		files(""),
		func(s *spec) {
			s.Wrapper.MongoDB = &v1alpha1.MongoDB{Addresses: []v1alpha1.Address{"own.infra.svc:27017"}, Database: "own"}
		})
	const redisField, mongoField, kafkaField = "spec.dependencies.redis.addresses", "spec.dependencies.mongodb.addresses",
		"spec.dependencies.kafka.brokers"
	for name, c := range map[string]struct {
		change func(*spec)
		field  string
	}{
		"another database of Redis":             {func(s *spec) { redis("redis.infra.svc:6379")(s); number(1)(s) }, ""},
		"the default number, written":           {func(s *spec) { redis("redis.infra.svc:6379")(s); number(0)(s) }, redisField},
		"capital letters":                       {redis("REDIS.infra.SVC:6379"), redisField},
		"a dot at the end":                      {redis("redis.infra.svc.cluster.local.:6379"), redisField},
		"the cluster's domain":                  {redis("redis.infra.svc.cluster.local:6379"), redisField},
		"no svc":                                {redis("redis.infra:6379"), redisField},
		"the Service of the stack's namespace":  {redis("redis:6379"), ""},
		"one of several":                        {redis("other.infra.svc:6379", "redis.infra.svc:6379"), redisField},
		"another port":                          {redis("redis.infra.svc:6380"), ""},
		"OpenIM on the other wrapper's Redis":   {redis("redis-wrapper.infra.svc:6379"), redisField},
		"the same database":                     {mongo("chat", "mongodb.infra.svc:27017"), mongoField},
		"the same database, in capitals":        {mongo("Chat", "mongodb-1.mongodb.infra.svc.cluster.local:27017"), mongoField},
		"the same database at an address":       {mongo("chat", "[::ffff:192.0.2.1]:27017"), mongoField},
		"another database":                      {mongo("chat2", "mongodb.infra.svc:27017"), ""},
		"the database of the other's wrapper":   {mongo("own", "own.infra.svc:27017"), mongoField},
		"the same topics":                       {topics("chat-", "other.infra.svc:9092", "kafka.infra.svc.:9092"), kafkaField},
		"other topics":                          {topics("chat", "kafka.infra.svc:9092"), ""},
		"the same bucket, which is the default": {files("openim"), "spec.dependencies.objectStorage.minio.internalAddress"},
		"another bucket":                        {files("two"), ""},
		"a wrapper on OpenIM's Redis": {func(s *spec) {
			s.Wrapper.Redis.Addresses = []v1alpha1.Address{"redis.infra.svc:6379"}
		}, "spec.wrapper.redis.addresses"},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			younger := tenant("two", 1, apart, c.change)
			found := dependencies.Shared(younger, []dependencies.Tenant{older})
			if c.field == "" {
				g.Expect(reasons(found)).To(BeEmpty())
				return
			}
			g.Expect(reasons(found)).To(ConsistOf("SharedStore " + c.field))
			g.Expect(found.Problems[0].Message).To(ContainSubstring("OpenIMStack im/one"))
			g.Expect(reasons(dependencies.Shared(older, []dependencies.Tenant{younger}))).To(BeEmpty(), "one of the two gets it")
		})
	}
}

// One bucket, however the spec writes it. Of each pair, the second stack is refused.
func TestABucketIsOneStacksHoweverItIsWritten(t *testing.T) {
	keys := v1alpha1.LocalReference{Name: "files"}
	minio := func(internal, external, bucket string) *v1alpha1.ObjectStorage {
		return &v1alpha1.ObjectStorage{MinIO: &v1alpha1.MinIO{InternalAddress: v1alpha1.Address(internal), ExternalAddress: external,
			Bucket: v1alpha1.Bucket(bucket), CredentialsRef: keys}}
	}
	aws := func(region, bucket string) *v1alpha1.ObjectStorage {
		return &v1alpha1.ObjectStorage{AWS: &v1alpha1.AWS{Region: region, Bucket: v1alpha1.Bucket(bucket), CredentialsRef: keys}}
	}
	oss := func(endpoint string) *v1alpha1.ObjectStorage {
		return &v1alpha1.ObjectStorage{OSS: &v1alpha1.OSS{Endpoint: v1alpha1.StoreURL(endpoint), Bucket: "chat", CredentialsRef: keys}}
	}
	cos := func(bucketURL string) *v1alpha1.ObjectStorage {
		return &v1alpha1.ObjectStorage{COS: &v1alpha1.COS{BucketURL: v1alpha1.StoreURL(bucketURL), CredentialsRef: keys}}
	}
	for name, c := range map[string]struct {
		first, second *v1alpha1.ObjectStorage
		shared        bool
	}{
		"aws, and minio at Amazon's address": {aws("eu-central-1", "chat"),
			minio("s3.eu-central-1.amazonaws.com:443", "https://s3.eu-central-1.amazonaws.com", "chat"), true},
		"aws with dots in the name, and minio": {minio("s3.amazonaws.com:443", "https://s3.amazonaws.com", "a.chat"),
			aws("eu-central-1", "a.chat"), true},
		"another bucket of Amazon's": {aws("eu-central-1", "chat"), aws("eu-central-1", "chat-two"), false},
		"oss, publicly and from inside": {oss("https://oss-cn-chengdu.aliyuncs.com"), oss("https://OSS-cn-chengdu-internal.aliyuncs.com."),
			true},
		"cos, publicly and from inside": {cos("https://chat-1.cos.ap-chengdu.myqcloud.com"),
			cos("https://chat-1.cos-internal.ap-chengdu.myqcloud.com"), true},
		"cos of another region": {cos("https://chat-1.cos.ap-chengdu.myqcloud.com"), cos("https://chat-1.cos.ap-beijing.myqcloud.com"), false},
		"two addresses inside, one outside": {minio("minio.stores.svc:9000", "https://files.example.com", "openim"),
			minio("192.0.2.7:9000", "https://FILES.example.com:443", ""), true},
		"two addresses, two buckets": {minio("minio.stores.svc:9000", "https://files.example.com", "one"),
			minio("192.0.2.7:9000", "https://files.example.com", "two"), false},
		"two stores": {minio("minio.stores.svc:9000", "https://files.example.com", ""),
			minio("minio.other.svc:9000", "https://files2.example.com", ""), false},
		"two stores that clients reach by their own machine": {minio("minio.stores.svc:9000", "http://127.0.0.1:9000", ""),
			minio("minio.other.svc:9000", "http://127.0.0.1:9000", ""), false},
		"two stores at the name of one's own machine": {minio("minio.stores.svc:9000", "http://localhost:9000", ""),
			minio("minio.other.svc:9000", "http://LocalHost.:9000", ""), false},
		"two stores at [::1]": {minio("minio.stores.svc:9000", "http://[::1]:9000", ""),
			minio("minio.other.svc:9000", "http://[::1]:9000", ""), false},
		"one store that clients reach by their own machine": {minio("minio.stores.svc:9000", "http://127.0.0.1:9000", ""),
			minio("minio.stores:9000", "http://127.0.0.1:9000", ""), true},
		"a Service whose name is that of the bucket": {minio("chat.stores.svc:9000", "https://files.example.com", "chat"),
			minio("chat.other.svc:9000", "https://files2.example.com", "chat"), false},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			one := tenant("one", 2, func(s *spec) { s.Dependencies.ObjectStorage = c.first })
			two := tenant("two", 1, apart, func(s *spec) { s.Dependencies.ObjectStorage = c.second })
			found := dependencies.Shared(two, []dependencies.Tenant{holding(one)})
			if !c.shared {
				g.Expect(reasons(found)).To(BeEmpty())
				return
			}
			g.Expect(found.Problems).To(ConsistOf(And(HaveField("Reason", v1alpha1.ReasonSharedStore),
				HaveField("Field", HavePrefix("spec.dependencies.objectStorage.")), HaveField("Message", ContainSubstring("Write another bucket")))))
			g.Expect(reasons(dependencies.Shared(one, []dependencies.Tenant{two}))).To(BeEmpty(), "one of the two gets it")
			// No policy opens the store, whatever the name by which it was found.
			at := openim.Location{Party: openim.Party(openim.ObjectStorage), Addresses: []openim.Address{{Text: "x:1", Resolved: true}}}
			redis := openim.Location{Party: openim.Party(openim.Redis), Addresses: []openim.Address{{Text: "x:1", Resolved: true}}}
			left := dependencies.Refuse(letIn(), []openim.Location{at, redis}, found.Refused)
			g.Expect(left[0].Addresses[0].Resolved).To(BeFalse())
			g.Expect(left[1].Addresses[0].Resolved).To(BeTrue(), "another store is reached")
		})
	}
}

// While a reference cannot be read, nothing but what the stack holds tells which Redis it leads to.
func TestARedisDoesNotChangeSidesWhileAReferenceIsUnread(t *testing.T) {
	const first, second = "redis.infra.svc:6379", "sessions.infra.svc:6379"
	addresses := func(s ...v1alpha1.Address) func(*v1alpha1.Redis) {
		return func(r *v1alpha1.Redis) { r.Addresses, r.ResourceRef = s, nil }
	}
	unread := func(r *v1alpha1.Redis) {
		r.Addresses, r.ResourceRef = nil, &v1alpha1.ResourceReference{APIVersion: "v1", Kind: "Secret", Name: "misspelt"}
	}
	stack := func(openIM, wrapper func(*v1alpha1.Redis)) dependencies.Tenant {
		return tenant("chat", 1, func(s *spec) {
			openIM(&s.Dependencies.Redis)
			s.Wrapper.Redis = &v1alpha1.WrapperRedis{}
			wrapper(&s.Wrapper.Redis.Redis)
		})
	}
	running := stack(addresses(first), addresses(second)).Wanted
	for name, c := range map[string]struct {
		openIM, wrapper func(*v1alpha1.Redis)
		refused         []string
	}{
		"the wrapper moves to OpenIM's":                {unread, addresses(first), []string{"SharedStore spec.wrapper.redis.addresses"}},
		"OpenIM moves to the wrapper's":                {addresses(second), unread, []string{"SharedStore spec.dependencies.redis.addresses"}},
		"the wrapper stays":                            {unread, addresses(second), nil},
		"OpenIM stays":                                 {addresses(first), unread, nil},
		"the wrapper moves to a third":                 {unread, addresses("third.infra.svc:6379"), nil},
		"the resolver sees both, and compares the two": {addresses(first), addresses(first), nil},
		"both are unread":                              {unread, unread, nil},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			now := stack(c.openIM, c.wrapper)
			now.Held = running
			found := dependencies.Shared(now, nil)
			g.Expect(reasons(found)).To(Equal(c.refused))
			g.Expect(found.Refused).To(HaveLen(len(c.refused)), "no policy opens it")
			now.Held = nil
			g.Expect(reasons(dependencies.Shared(now, nil))).To(BeEmpty(), "a new stack has nothing to lose, and waits for the reference")
		})
	}
}

// A stack keeps a claim that it holds: a change of an older stack takes nothing from a younger stack.
func TestWhoHoldsSomethingKeepsIt(t *testing.T) {
	g := NewWithT(t)
	one, two := tenant("one", 2), tenant("two", 1)
	g.Expect(reasons(dependencies.Shared(one, []dependencies.Tenant{holding(two)}))).NotTo(BeEmpty())
	g.Expect(reasons(dependencies.Shared(holding(two), []dependencies.Tenant{one}))).To(BeEmpty())
	g.Expect(reasons(dependencies.Shared(holding(two), []dependencies.Tenant{holding(one)}))).NotTo(BeEmpty(),
		"of two that hold it, the older one gets it")
	g.Expect(reasons(dependencies.Shared(holding(one), []dependencies.Tenant{holding(two)}))).To(BeEmpty())
	left := tenant("two", 1, apart)
	left.Held = holding(two).Held
	g.Expect(reasons(dependencies.Shared(one, []dependencies.Tenant{left}))).NotTo(BeEmpty(), "its pods are still there")
}

// Two stores may have one name outside, as private names with split DNS have. An operator without claims to names outside accepted both.
func TestAStackKeepsTheBucketThatItHoldsWhateverItIsCalledOutside(t *testing.T) {
	g := NewWithT(t)
	at := func(internal, external string) func(*spec) {
		return func(s *spec) {
			s.Dependencies.ObjectStorage = &v1alpha1.ObjectStorage{MinIO: &v1alpha1.MinIO{
				InternalAddress: v1alpha1.Address(internal), ExternalAddress: external,
			}}
		}
	}
	const outside = "https://files.corp.example"
	internally := func(t dependencies.Tenant) dependencies.Tenant {
		for _, c := range t.Wanted {
			if c.Address != "files.corp.example:443" {
				t.Held = append(t.Held, c)
			}
		}
		g.Expect(t.Held).To(HaveLen(len(t.Wanted) - 1))
		return t
	}
	one := internally(tenant("one", 3, at("minio.one.svc:9000", outside)))
	two := internally(tenant("two", 2, apart, at("minio.two.svc:9000", outside)))
	for _, older := range []dependencies.Tenant{one, holding(one)} {
		g.Expect(reasons(dependencies.Shared(two, []dependencies.Tenant{older}))).To(BeEmpty(), "the younger one keeps its store")
		g.Expect(reasons(dependencies.Shared(holding(two), []dependencies.Tenant{older}))).To(BeEmpty())
		g.Expect(reasons(dependencies.Shared(older, []dependencies.Tenant{holding(two)}))).To(BeEmpty(), "and the older one too")
	}
	refused := ConsistOf("SharedStore spec.dependencies.objectStorage.minio.internalAddress")
	three := tenant("three", 1, func(s *spec) { s.Dependencies.Redis.Database = ptr.To[int32](3) }, at("minio.three.svc:9000", outside))
	g.Expect(reasons(dependencies.Shared(three, []dependencies.Tenant{one}))).To(refused, "a stack that holds nothing")
	moved := tenant("two", 2, apart, at("192.0.2.7:9000", outside))
	moved.Held = two.Held
	g.Expect(reasons(dependencies.Shared(moved, []dependencies.Tenant{holding(one)}))).To(refused, "another store than the one that it holds")
	same := internally(tenant("two", 2, apart, at("minio.one.svc:9000", outside)))
	g.Expect(reasons(dependencies.Shared(same, []dependencies.Tenant{one}))).To(refused, "the older stack's store")
}

func TestStacksOfOneSecondAreToldApartByTheirUID(t *testing.T) {
	g := NewWithT(t)
	one, two := tenant("one", 1), tenant("two", 1)
	g.Expect(reasons(dependencies.Shared(one, []dependencies.Tenant{two}))).To(BeEmpty())
	g.Expect(reasons(dependencies.Shared(two, []dependencies.Tenant{one}))).NotTo(BeEmpty())
}

// OpenIM's channel of online users has one name, and Redis' channels are the same in all databases.
func TestAnotherDatabaseOfOneRedisIsWarnedOf(t *testing.T) {
	g := NewWithT(t)
	one := holding(tenant("one", 2))
	found := dependencies.Shared(tenant("two", 1, func(s *spec) { s.Dependencies.Redis.Database = ptr.To[int32](1) }),
		[]dependencies.Tenant{one})
	g.Expect(found.Problems).To(BeEmpty())
	g.Expect(found.Warnings).To(HaveLen(1))
	g.Expect(found.Warnings[0].Reason).To(Equal(v1alpha1.ReasonSharedPresence))
	g.Expect(found.Warnings[0].String()).To(And(ContainSubstring("spec.dependencies.redis.addresses: OpenIMStack im/one"),
		ContainSubstring("Give each stack its own Redis")))
	g.Expect(found.With).To(ConsistOf(one.Name))
	g.Expect(dependencies.Shared(tenant("three", 1, apart), []dependencies.Tenant{one}).Warnings).To(BeEmpty())
}

func TestClaimsAreReadAsTheyWereWritten(t *testing.T) {
	for _, c := range tenant("one", 1).Wanted {
		back, ok := openim.ParseClaim(c.String())
		NewWithT(t).Expect(ok).To(BeTrue())
		c.Field = ""
		NewWithT(t).Expect(back).To(Equal(c))
	}
	_, ok := openim.ParseClaim("redis")
	NewWithT(t).Expect(ok).To(BeFalse())
}

// The database of a connection string is claimed like one in the spec.
func TestAConnectionStringIsClaimed(t *testing.T) {
	facts, problems := byURI(t, "mongodb://u:p@mongodb.infra.svc.cluster.local,192.0.2.9:27018/chat", "")
	g := NewWithT(t)
	g.Expect(problems).To(BeEmpty())
	var all []string
	for _, c := range facts.Claims {
		all = append(all, c.String())
	}
	g.Expect(all).To(ContainElements("mongodb mongodb.infra.svc:27017 database chat", "mongodb 192.0.2.9:27018 database chat",
		"kafka kafka.infra.svc:9092 topics im.chat."))
}
