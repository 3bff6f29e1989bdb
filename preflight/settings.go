package preflight

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/net/http/httpproxy"
	"sigs.k8s.io/yaml"

	"github.com/openimstack/openim-operator/bucketurl"
	"github.com/openimstack/openim-operator/supervisor/termination"
)

// maxFileBytes bounds a configuration file.
const maxFileBytes = 1 << 20

// check is one store and the way to try it.
type check struct {
	store termination.StoreName
	try   tryFunc
}

// settings read OpenIM's configuration: files in a folder, and the environment.
type settings struct {
	dir    string
	getenv func(string) string
	topics NewTopics
}

// stores are the stores that can be checked, in the order of reports.
var stores = []termination.StoreName{
	termination.Etcd, termination.Redis, termination.MongoDB, termination.Kafka, termination.ObjectStorage,
}

// checks returns the checks of the named stores.
func (s settings) checks(names []string) ([]check, error) {
	var all []check
	for _, name := range names {
		store := termination.StoreName(name)
		if !slices.Contains(stores, store) || slices.ContainsFunc(all, func(c check) bool { return c.store == store }) {
			return nil, fmt.Errorf("reading --stores: a store is unknown or named twice: write some of %v, with commas", stores)
		}
		try, err := s.check(store)
		if err != nil {
			return nil, err
		}
		if try != nil {
			all = append(all, check{store: store, try: try})
		}
	}
	return all, nil
}

func (s settings) check(store termination.StoreName) (tryFunc, error) {
	switch store {
	case termination.Etcd:
		c, err := s.etcd()
		return c.try, err
	case termination.Redis:
		c, err := s.redis()
		return c.try, err
	case termination.MongoDB:
		c, err := s.mongoDB()
		return c.try, err
	case termination.Kafka:
		c, err := s.kafka()
		return c.try, err
	}
	c, err := s.objectStorage()
	if c.bucket == "" { // the stack has none
		return nil, err
	}
	return c.try, err
}

func (s settings) etcd() (etcd, error) {
	var file struct {
		Etcd struct {
			RootDirectory      string   `json:"rootDirectory"`
			Address            []string `json:"address"`
			Username, Password string
		} `json:"etcd"`
	}
	if err := s.read("discovery.yml", &file); err != nil {
		return etcd{}, err
	}
	c := file.Etcd
	if c.RootDirectory == "" {
		return etcd{}, errors.New("reading discovery.yml: etcd.rootDirectory is missing")
	}
	endpoints, secure := withoutScheme(c.Address)
	check := etcd{endpoints: endpoints, tls: secure, root: strings.Trim(c.RootDirectory, "/"),
		username: s.env("DISCOVERY_ETCD_USERNAME", c.Username), password: s.env("DISCOVERY_ETCD_PASSWORD", c.Password)}
	return check, addresses("discovery.yml", check.endpoints)
}

// withoutScheme returns the addresses, and whether the first one is an https URL, by which etcd's client uses TLS.
func withoutScheme(addresses []string) (plain []string, secure bool) {
	for i, address := range addresses {
		rest, https := strings.CutPrefix(address, "https://")
		secure = secure || https && i == 0
		plain = append(plain, rest)
	}
	return plain, secure
}

func (s settings) redis() (redisStore, error) {
	var file struct {
		Address            []string `json:"address"`
		Username, Password string
		RedisMode          string `json:"redisMode"`
		ClusterMode        bool   `json:"clusterMode"`
		DB                 int    `json:"db"`
	}
	if err := s.read("redis.yml", &file); err != nil {
		return redisStore{}, err
	}
	check := redisStore{addresses: file.Address, database: file.DB, cluster: file.ClusterMode || file.RedisMode == "cluster",
		username: s.env("REDIS_USERNAME", file.Username), password: s.env("REDIS_PASSWORD", file.Password)}
	return check, addresses("redis.yml", check.addresses)
}

func (s settings) mongoDB() (mongoDB, error) {
	var file struct {
		URI                string   `json:"uri"`
		Address            []string `json:"address"`
		Database           string   `json:"database"`
		Username, Password string
		AuthSource         string `json:"authSource"`
	}
	if err := s.read("mongodb.yml", &file); err != nil {
		return mongoDB{}, err
	}
	if file.Database == "" {
		return mongoDB{}, errors.New("reading mongodb.yml: database is missing")
	}
	check := mongoDB{uri: s.env("MONGODB_URI", file.URI), addresses: file.Address, database: file.Database, authSource: file.AuthSource,
		username: s.env("MONGODB_USERNAME", file.Username), password: s.env("MONGODB_PASSWORD", file.Password)}
	if check.authSource == "" {
		check.authSource = check.database
	}
	if check.uri != "" {
		return check, nil
	}
	return check, addresses("mongodb.yml", check.addresses)
}

func (s settings) kafka() (kafka, error) {
	var file struct {
		Address            []string `json:"address"`
		Username, Password string
		ToRedisTopic       string `json:"toRedisTopic"`
		ToMongoTopic       string `json:"toMongoTopic"`
		ToPushTopic        string `json:"toPushTopic"`
		ToOfflinePushTopic string `json:"toOfflinePushTopic"`
		TLS                struct {
			EnableTLS          bool   `json:"enableTLS"`
			CACrt              string `json:"caCrt"`
			ClientCrt          string `json:"clientCrt"`
			ClientKey          string `json:"clientKey"`
			InsecureSkipVerify bool   `json:"insecureSkipVerify"`
		} `json:"tls"`
	}
	if err := s.read("kafka.yml", &file); err != nil {
		return kafka{}, err
	}
	check := kafka{addresses: file.Address, wanted: s.topics,
		topics:   []string{file.ToRedisTopic, file.ToMongoTopic, file.ToPushTopic, file.ToOfflinePushTopic},
		username: s.env("KAFKA_USERNAME", file.Username), password: s.env("KAFKA_PASSWORD", file.Password)}
	if t := file.TLS; t.EnableTLS {
		check.tls = &tlsFiles{authority: t.CACrt, certificate: t.ClientCrt, key: t.ClientKey, insecure: t.InsecureSkipVerify}
	}
	if slices.Contains(check.topics, "") {
		return kafka{}, errors.New("reading kafka.yml: one of the four topics is missing")
	}
	return check, addresses("kafka.yml", check.addresses)
}

// objectStorage returns the zero value when the stack has no object storage.
func (s settings) objectStorage() (objectStorage, error) {
	var file struct {
		Object struct {
			Enable string `json:"enable"`
			AWS    struct {
				Region, Bucket, AccessKeyID, SecretAccessKey string
			} `json:"aws"`
			COS struct {
				BucketURL, SecretID, SecretKey string
			} `json:"cos"`
			OSS, Kodo struct {
				Endpoint, Bucket, AccessKeyID, AccessKeySecret string
			}
		} `json:"object"`
	}
	const third, env = "openim-rpc-third.yml", "OPENIM_RPC_THIRD_OBJECT_"
	if err := s.read(third, &file); err != nil {
		return objectStorage{}, err
	}
	o := file.Object
	check := objectStorage{kind: o.Enable, proxies: s.proxies()}
	switch o.Enable {
	case "":
		return objectStorage{}, nil
	case kindMinIO:
		return s.minIO()
	case kindAWS:
		check.bucket, check.region, check.address = o.AWS.Bucket, o.AWS.Region, bucketurl.AWS(o.AWS.Region, o.AWS.Bucket)
		check.accessKey = s.env(env+"AWS_ACCESSKEYID", o.AWS.AccessKeyID)
		check.secretKey = s.env(env+"AWS_SECRETACCESSKEY", o.AWS.SecretAccessKey)
	case kindCOS:
		check.address, check.bucket = o.COS.BucketURL, o.COS.BucketURL
		check.accessKey, check.secretKey = s.env(env+"COS_SECRETID", o.COS.SecretID), s.env(env+"COS_SECRETKEY", o.COS.SecretKey)
		if check.address == noStore {
			return objectStorage{}, nil
		}
	case kindOSS:
		check.proxies = httpproxy.Config{} // its library reads no variable
		check.address, check.bucket = bucketurl.InHost(o.OSS.Endpoint, o.OSS.Bucket), o.OSS.Bucket
		check.accessKey = s.env(env+"OSS_ACCESSKEYID", o.OSS.AccessKeyID)
		check.secretKey = s.env(env+"OSS_ACCESSKEYSECRET", o.OSS.AccessKeySecret)
	case kindKodo: // OpenIM's client signs for a region of the bucket's name
		check.address, check.bucket, check.region = bucketurl.InHost(o.Kodo.Endpoint, o.Kodo.Bucket), o.Kodo.Bucket, o.Kodo.Bucket
		check.accessKey = s.env(env+"KODO_ACCESSKEYID", o.Kodo.AccessKeyID)
		check.secretKey = s.env(env+"KODO_ACCESSKEYSECRET", o.Kodo.AccessKeySecret)
	default:
		return objectStorage{}, fmt.Errorf("reading %s: object.enable is none of the known kinds", third)
	}
	return check, nil
}

// noStore is the address that the operator renders for a stack without object storage where openim-rpc-third needs one.
const noStore = "https://none.object-storage.invalid"

// minIO reads minio.yml. An address without a scheme is one without TLS, as OpenIM reads it.
func (s settings) minIO() (objectStorage, error) {
	var file struct {
		Bucket          string `json:"bucket"`
		InternalAddress string `json:"internalAddress"`
		AccessKeyID     string `json:"accessKeyID"`
		SecretAccessKey string `json:"secretAccessKey"`
		SessionToken    string `json:"sessionToken"`
	}
	if err := s.read("minio.yml", &file); err != nil {
		return objectStorage{}, err
	}
	if file.Bucket == "" {
		return objectStorage{}, errors.New("reading minio.yml: bucket is missing")
	}
	address := file.InternalAddress
	if !strings.HasPrefix(address, "http://") && !strings.HasPrefix(address, "https://") {
		address = "http://" + address
	}
	return objectStorage{kind: kindMinIO, address: address, bucket: file.Bucket, proxies: s.proxies(),
		accessKey: s.env("MINIO_ACCESSKEYID", file.AccessKeyID), secretKey: s.env("MINIO_SECRETACCESSKEY", file.SecretAccessKey),
		session: s.env("MINIO_SESSIONTOKEN", file.SessionToken)}, nil
}

// proxies returns the proxies that the environment names, as net/http reads it: OpenIM's clients of object stores use them, except that of
// OSS.
func (s settings) proxies() httpproxy.Config {
	either := func(name string) string { return cmp.Or(s.getenv(name), s.getenv(strings.ToLower(name))) }
	return httpproxy.Config{HTTPProxy: either("HTTP_PROXY"), HTTPSProxy: either("HTTPS_PROXY"), NoProxy: either("NO_PROXY")}
}

// env returns the variable that overrides a key of a file, or the file's value: an empty variable overrides nothing, as in OpenIM.
func (s settings) env(name, file string) string {
	if value := s.getenv("IMENV_" + name); value != "" {
		return value
	}
	return file
}

// read reads a configuration file. Its errors do not quote the file.
func (s settings) read(name string, into any) error {
	file, err := os.Open(filepath.Join(s.dir, name))
	if err != nil {
		return fmt.Errorf("reading the configuration: %w: mount OpenIM's configuration at --config", err)
	}
	defer func() { _ = file.Close() }()
	text, err := io.ReadAll(io.LimitReader(file, maxFileBytes+1))
	if err != nil {
		return fmt.Errorf("reading the configuration: %w", err)
	}
	if len(text) > maxFileBytes {
		return fmt.Errorf("reading %s: it is larger than %d bytes", name, maxFileBytes)
	}
	if yaml.Unmarshal(text, into) != nil {
		return fmt.Errorf("reading %s: it is not YAML of the expected form", name)
	}
	return nil
}

func addresses(file string, list []string) error {
	if len(list) == 0 || len(list) > maxAddresses {
		return fmt.Errorf("reading %s: write 1 to %d addresses", file, maxAddresses)
	}
	return nil
}
