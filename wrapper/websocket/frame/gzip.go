package frame

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
	"sync"
)

// storeUpTo is the size up to which a frame is wrapped in gzip's format without being compressed: to OpenIM, a hop away, time
// is worth more than bytes, and a compressor holds some 800 KB while it works. What is longer is compressed to be let in at all.
const storeUpTo = MaxRequest - wrapping

// wrapping is what stored adds.
const wrapping = 23

var (
	readers = sync.Pool{New: func() any { return new(gzip.Reader) }}
	writers = sync.Pool{New: func() any {
		w, err := gzip.NewWriterLevel(nil, gzip.BestSpeed)
		if err != nil {
			panic("a constant level is known to be right: " + err.Error())
		}
		return w
	}}
)

// gunzip unpacks one gzip member, and nothing after it, into at most limit bytes.
func gunzip(in []byte, limit int) ([]byte, error) {
	src := bytes.NewReader(in)
	r, err := gzipReader(src)
	if err != nil {
		return nil, ErrMalformed
	}
	defer readers.Put(r)
	// Most frames are small: the buffer grows as the frame turns out to be, not as it says.
	out := bytes.NewBuffer(make([]byte, 0, min(4*len(in)+64, limit+1)))
	if _, err = io.Copy(out, io.LimitReader(r, int64(limit)+1)); err != nil {
		return nil, ErrMalformed
	}
	if out.Len() > limit {
		return nil, ErrTooLarge
	}
	if src.Len() > 0 {
		return nil, ErrMalformed
	}
	return out.Bytes(), nil
}

// gunzipHead unpacks the first bytes and says whether they are all.
func gunzipHead(in []byte, limit int) (head []byte, whole bool, err error) {
	r, err := gzipReader(bytes.NewReader(in))
	if err != nil {
		return nil, false, ErrMalformed
	}
	defer readers.Put(r)
	head = make([]byte, limit)
	n, err := io.ReadFull(r, head)
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return head[:n], true, nil
	case err != nil:
		return nil, false, ErrMalformed
	}
	return head[:n], false, nil
}

// gzipReader takes a reader from the pool. A second member, which gzip's format allows, is not read: OpenIM writes none.
func gzipReader(src *bytes.Reader) (*gzip.Reader, error) {
	r, ok := readers.Get().(*gzip.Reader)
	if !ok {
		return nil, ErrMalformed
	}
	if err := r.Reset(src); err != nil {
		readers.Put(r)
		return nil, err
	}
	r.Multistream(false)
	return r, nil
}

func gzipped(in []byte) []byte {
	if len(in) <= storeUpTo {
		return stored(in)
	}
	w, ok := writers.Get().(*gzip.Writer)
	if !ok {
		panic("the pool holds gzip writers alone")
	}
	defer writers.Put(w)
	out := bytes.NewBuffer(make([]byte, 0, len(in)/2+64))
	w.Reset(out)
	_, err := w.Write(in)
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		panic("writing to memory does not fail: " + err.Error())
	}
	return out.Bytes()
}

// stored writes one gzip member with one stored block (RFC 1952, RFC 1951 section 3.2.4). in is at most storeUpTo bytes long.
func stored(in []byte) []byte {
	size := uint16(len(in)) //nolint:gosec // at most storeUpTo
	out := make([]byte, 0, len(in)+wrapping)
	out = append(out, 0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff, 1)
	out = binary.LittleEndian.AppendUint16(out, size)
	out = binary.LittleEndian.AppendUint16(out, ^size)
	out = append(out, in...)
	out = binary.LittleEndian.AppendUint32(out, crc32.ChecksumIEEE(in))
	return binary.LittleEndian.AppendUint32(out, uint32(size))
}
