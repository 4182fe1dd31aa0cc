// The peer "go": crypto/rsa, crypto/ecdsa, crypto/ed25519 and crypto/x509 of Go's standard library.
//
//	verify FILE         public keys kept; given the hash of the message, hashing is not timed
//	verify FILE cold    rows hold certificates: ParseCertificate, Verify, CheckSignature, nothing kept
//
// Rows and protocol are those of bench/peers/loop.h.
package main

import (
	"bufio"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"encoding/binary"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const (
	rsaSha256  = 1
	p256Sha256 = 2
	p384Sha384 = 3
	edwards    = 4
)

type row struct {
	key, message, digest, signature []byte
	public                          any
}

type reader struct{ rest []byte }

func (r *reader) u32() uint32 {
	value := binary.LittleEndian.Uint32(r.rest)
	r.rest = r.rest[4:]
	return value
}

func (r *reader) blob() []byte {
	size := r.u32()
	taken := r.rest[:size:size]
	r.rest = r.rest[size:]
	return taken
}

func fail(what any) {
	fmt.Fprintln(os.Stderr, what)
	os.Exit(2)
}

var (
	algorithm uint32
	good      int
	rows      []row
	roots     *x509.CertPool
	at        time.Time
)

func load(path string) {
	data, err := os.ReadFile(path)
	if err != nil {
		fail(err)
	}
	if string(data[:8]) != "SEKIROW1" {
		fail("not a file of rows")
	}
	r := &reader{data[8:]}
	algorithm, good = r.u32(), int(r.u32())
	bad, anchors := int(r.u32()), int(r.u32())
	at = time.Unix(int64(binary.LittleEndian.Uint64(r.rest)), 0)
	r.rest = r.rest[8:]
	roots = x509.NewCertPool()
	for i := 0; i < anchors; i++ {
		anchor, err := x509.ParseCertificate(r.blob())
		if err != nil {
			fail(err)
		}
		roots.AddCert(anchor)
	}
	rows = make([]row, good+bad)
	for i := range rows {
		rows[i] = row{key: r.blob(), message: r.blob(), digest: r.blob(), signature: r.blob()}
	}
}

func verify(row *row) bool {
	switch algorithm {
	case rsaSha256:
		return rsa.VerifyPKCS1v15(row.public.(*rsa.PublicKey), crypto.SHA256, row.digest, row.signature) == nil
	case p256Sha256, p384Sha384:
		return ecdsa.VerifyASN1(row.public.(*ecdsa.PublicKey), row.digest, row.signature)
	default:
		return len(row.signature) == ed25519.SignatureSize &&
			ed25519.Verify(row.public.(ed25519.PublicKey), row.message, row.signature)
	}
}

var signatureAlgorithms = map[uint32]x509.SignatureAlgorithm{
	rsaSha256: x509.SHA256WithRSA, p256Sha256: x509.ECDSAWithSHA256, p384Sha384: x509.ECDSAWithSHA384, edwards: x509.PureEd25519,
}

func verifyLogin(row *row) bool {
	certificate, err := x509.ParseCertificate(row.key)
	if err != nil {
		return false
	}
	options := x509.VerifyOptions{Roots: roots, CurrentTime: at, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}}
	if _, err := certificate.Verify(options); err != nil {
		return false
	}
	return certificate.CheckSignature(signatureAlgorithms[algorithm], row.message, row.signature) == nil
}

// cpu is the CPU time of the process, the garbage collector's included.
func cpu() time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		fail(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

func main() {
	load(os.Args[1])
	answer := verify
	if len(os.Args) > 2 {
		answer = verifyLogin
	} else {
		for i := range rows {
			public, err := x509.ParsePKIXPublicKey(rows[i].key)
			if err != nil {
				fail(err)
			}
			rows[i].public = public
		}
	}
	runtime.GOMAXPROCS(2) // one for the loop, one for the collector
	fmt.Println("ready", runtime.Version())
	input := bufio.NewScanner(os.Stdin)
	next := 0
	for input.Scan() {
		command, argument, _ := strings.Cut(input.Text(), " ")
		switch command {
		case "check":
			answers := make([]byte, len(rows))
			for i := range rows {
				answers[i] = '0'
				if answer(&rows[i]) {
					answers[i] = '1'
				}
			}
			fmt.Println("check", string(answers))
		case "run":
			wanted, err := strconv.Atoi(argument)
			if err != nil {
				fail(err)
			}
			wrong := 0
			cpuStart, start := cpu(), time.Now()
			for i := 0; i < wanted; i++ {
				if !answer(&rows[next]) {
					wrong++
				}
				if next++; next == good {
					next = 0
				}
			}
			fmt.Printf("ran %.9f %.9f %d\n", time.Since(start).Seconds(), (cpu() - cpuStart).Seconds(), wrong)
		default:
			fail("unknown command")
		}
	}
}
