package chat

import (
	"bytes"
	"context"
	"crypto/md5" //nolint:gosec // OpenIM names files by it
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/openimstack/openim-operator/wrapper/wire"
)

// PartBytes is the size of a part of OpenIM's uploads to MinIO. Larger files are uploaded in parts.
const PartBytes = 5 << 20

// maxFile bounds a download, in bytes.
const maxFile = 64 << 20

// Store uploads and downloads files as OpenIM's SDKs do: by the object routes at the gateway, and by signed URLs at the object store.
type Store struct {
	// Client connects to the object store. It trusts the authority of the store's certificate, and may dial the store at an address that
	// DNS does not know.
	Client *http.Client
}

// Upload is an upload that was begun.
type Upload struct {
	Name    string
	Content []byte
	// Ticket is the uploadID as the gateway gave it. It is empty when the store has the content already: nothing is left to do.
	Ticket string
	// URL of the object, when Ticket is empty.
	URL  string
	sign signature
}

// signature is what OpenIM answers to the call that begins an upload, of the parts' URLs.
type signature struct {
	URL    string `json:"url"`
	Query  []pair `json:"query"`
	Header []pair `json:"header"`
	Parts  []struct {
		URL    string `json:"url"`
		Query  []pair `json:"query"`
		Header []pair `json:"header"`
	} `json:"parts"`
}

// pair is an entry of OpenIM's lists of keys and values.
type pair struct {
	Key    string   `json:"key"`
	Values []string `json:"values"`
}

func sum(content []byte) string {
	hash := md5.Sum(content) //nolint:gosec // see above
	return hex.EncodeToString(hash[:])
}

func parts(content []byte) [][]byte {
	var all [][]byte
	for len(content) > PartBytes {
		all, content = append(all, content[:PartBytes]), content[PartBytes:]
	}
	return append(all, content)
}

// Hashes returns the hash of an upload, which is that of the hashes of its parts, joined by commas, and the hashes of the parts.
func Hashes(content []byte) (hash string, ofParts []string) {
	for _, part := range parts(content) {
		ofParts = append(ofParts, sum(part))
	}
	return sum([]byte(strings.Join(ofParts, ","))), ofParts
}

// UploadOf returns the body that begins an upload, as the SDKs write it.
func UploadOf(name string, content []byte) map[string]any {
	hash, ofParts := Hashes(content)
	return map[string]any{
		"hash": hash, "size": len(content), "partSize": PartBytes, "maxParts": len(ofParts), "cause": "test", "name": name,
		"contentType": "application/octet-stream",
	}
}

// Begin begins an upload as a user.
func (s Store) Begin(ctx context.Context, as User, name string, content []byte) (*Upload, error) {
	var begun struct {
		URL    string `json:"url"`
		Upload *struct {
			UploadID string    `json:"uploadID"`
			Sign     signature `json:"sign"`
		} `json:"upload"`
	}
	if err := as.call(ctx, "/object/initiate_multipart_upload", UploadOf(name, content), &begun); err != nil {
		return nil, err
	}
	u := &Upload{Name: name, Content: content, URL: begun.URL}
	if begun.Upload != nil {
		u.Ticket, u.sign = begun.Upload.UploadID, begun.Upload.Sign
	}
	return u, nil
}

// Put puts all parts of an upload.
func (s Store) Put(ctx context.Context, u *Upload) error {
	for i, part := range parts(u.Content) {
		if i >= len(u.sign.Parts) {
			return fmt.Errorf("uploading %s: OpenIM signed %d parts of %d", u.Name, len(u.sign.Parts), len(parts(u.Content)))
		}
		signed := u.sign.Parts[i]
		address := signed.URL
		if address == "" {
			address = u.sign.URL
		}
		request, err := http.NewRequestWithContext(ctx, http.MethodPut, address, bytes.NewReader(part))
		if err != nil {
			return fmt.Errorf("uploading %s: %w", u.Name, err)
		}
		query := request.URL.Query()
		eachPair(query.Add, u.sign.Query, signed.Query)
		request.URL.RawQuery = query.Encode()
		eachPair(request.Header.Add, u.sign.Header, signed.Header)
		status, text, err := s.do(request)
		if err != nil {
			return fmt.Errorf("uploading part %d of %s: %w", i+1, u.Name, err)
		}
		if status != http.StatusOK {
			return fmt.Errorf("uploading part %d of %s: HTTP %d: %.300s", i+1, u.Name, status, text)
		}
	}
	return nil
}

func eachPair(add func(key, value string), lists ...[]pair) {
	for _, list := range lists {
		for _, p := range list {
			for _, value := range p.Values {
				add(p.Key, value)
			}
		}
	}
}

// Complete completes an upload whose parts are put, as a user.
func (s Store) Complete(ctx context.Context, as User, u *Upload) error {
	_, ofParts := Hashes(u.Content)
	var done struct {
		URL string `json:"url"`
	}
	err := as.call(ctx, "/object/complete_multipart_upload", map[string]any{
		"uploadID": u.Ticket, "parts": ofParts, "name": u.Name, "contentType": "application/octet-stream", "cause": "test",
	}, &done)
	u.URL = done.URL
	return err
}

// Upload uploads a file as a user, and returns the URL that a message carries.
func (s Store) Upload(ctx context.Context, as User, name string, content []byte) (string, error) {
	u, err := s.Begin(ctx, as, name, content)
	if err != nil || u.Ticket == "" {
		return u.link(), err
	}
	if err := s.Put(ctx, u); err != nil {
		return "", err
	}
	err = s.Complete(ctx, as, u)
	return u.URL, err
}

func (u *Upload) link() string {
	if u == nil {
		return ""
	}
	return u.URL
}

// Download gets a file by its URL at the gateway, which redirects to the store. For an answer that is no redirect it returns this answer.
func (s Store) Download(ctx context.Context, as User, link string) (status int, content []byte, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, link, http.NoBody)
	if err != nil {
		return 0, nil, fmt.Errorf("downloading %s: %w", link, err)
	}
	if as.Token != "" {
		request.Header.Set(wire.HeaderToken, as.Token)
	}
	gateway := *as.Client
	gateway.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	status, content, to, err := do(&gateway, request)
	if err != nil {
		return 0, nil, fmt.Errorf("downloading %s: %w", link, err)
	}
	if to == "" {
		return status, content, nil
	}
	return s.Get(ctx, to)
}

// Get gets what is at a URL of the store.
func (s Store) Get(ctx context.Context, address string) (status int, content []byte, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, http.NoBody)
	if err != nil {
		return 0, nil, fmt.Errorf("downloading from the object store: %w", err)
	}
	return s.do(request)
}

func (s Store) do(request *http.Request) (status int, content []byte, err error) {
	status, content, _, err = do(s.Client, request)
	return status, content, err
}

// do makes a request and returns where it is redirected, if the client does not follow.
func do(client *http.Client, request *http.Request) (status int, content []byte, to string, err error) {
	response, err := client.Do(request) //nolint:gosec // the addresses are those of the stack under test
	if err != nil {
		return 0, nil, "", err
	}
	defer func() { _ = response.Body.Close() }()
	if content, err = io.ReadAll(io.LimitReader(response.Body, maxFile)); err != nil {
		return 0, nil, "", err
	}
	return response.StatusCode, content, response.Header.Get("Location"), nil
}

// call posts a body to a route of OpenIM as the user, and expects success.
func (u User) call(ctx context.Context, route string, body, out any) error {
	reply, err := u.Post(ctx, wire.UserPrefix+route, body)
	if err != nil {
		return err
	}
	if !reply.OK() {
		return fmt.Errorf("calling %s: %s", route, reply)
	}
	if err := json.Unmarshal(reply.Data, out); err != nil {
		return fmt.Errorf("decoding the data of %s: %w", route, err)
	}
	return nil
}
