// Tells how notation judges signing certificates: as lines of JSON on standard input, reasons as lines of JSON.
package main

import (
	"crypto/x509"
	"encoding/json"
	"os"
	"time"

	core "github.com/notaryproject/notation-core-go/x509"
)

type question struct {
	Chain [][]byte // DER, leaf first
	Time  time.Time
}

func judge(asked question) string {
	var chain []*x509.Certificate
	for _, der := range asked.Chain {
		certificate, err := x509.ParseCertificate(der)
		if err != nil {
			return "unreadable: " + err.Error()
		}
		chain = append(chain, certificate)
	}
	if err := core.ValidateCodeSigningCertChain(chain, &asked.Time); err != nil {
		return err.Error()
	}
	return ""
}

func main() {
	in, out := json.NewDecoder(os.Stdin), json.NewEncoder(os.Stdout)
	for in.More() {
		var asked question
		if err := in.Decode(&asked); err != nil {
			panic(err)
		}
		if err := out.Encode(judge(asked)); err != nil {
			panic(err)
		}
	}
}
