// Tells how notation reads names: as lines of JSON on standard input, answers as lines of JSON on standard output.
package main

import (
	"crypto/x509"
	"encoding/json"
	"os"
	"strings"

	"github.com/notaryproject/notation-go/verifier/trustpolicy"
)

type question struct {
	// DER; its subject takes the place of Leaf, as notation reads it.
	Certificate []byte
	Leaf        string
	Identity    string
}

type answer struct {
	Leaf     string // the name that the identity is held against
	Readable bool   // whether notation can tell the leaf's attributes apart
	Accepted string // why a policy with the identity is refused; empty when it is not
	Matches  bool   // whether one of both names is part of the other
}

func main() {
	in, out := json.NewDecoder(os.Stdin), json.NewEncoder(os.Stdout)
	for in.More() {
		var asked question
		if err := in.Decode(&asked); err != nil {
			panic(err)
		}
		leaf := asked.Leaf
		if len(asked.Certificate) > 0 {
			certificate, err := x509.ParseCertificate(asked.Certificate)
			if err != nil {
				panic(err)
			}
			leaf = certificate.Subject.String()
		}
		both := refused(asked.Identity, "x509.subject:"+leaf)
		reading := answer{
			Leaf:     leaf,
			Readable: refused("x509.subject:"+leaf) == "",
			Accepted: refused(asked.Identity),
			Matches:  strings.Contains(both, "overlapping x509 trustedIdentities"),
		}
		if err := out.Encode(reading); err != nil {
			panic(err)
		}
	}
}

func refused(identities ...string) string {
	document := trustpolicy.Document{
		Version: "1.0",
		TrustPolicies: []trustpolicy.TrustPolicy{{
			Name:                  "test",
			RegistryScopes:        []string{"*"},
			SignatureVerification: trustpolicy.SignatureVerification{VerificationLevel: "strict"},
			TrustStores:           []string{"ca:test"},
			TrustedIdentities:     identities,
		}},
	}
	if err := document.Validate(); err != nil {
		return err.Error()
	}
	return ""
}
