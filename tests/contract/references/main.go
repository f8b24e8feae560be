// Tells how distribution/reference reads image references: JSON strings on standard input, answers as lines of JSON.
package main

import (
	_ "crypto/sha256" // digests of an algorithm that is not linked are refused
	_ "crypto/sha512"
	"encoding/json"
	"os"

	"github.com/distribution/reference"
)

type answer struct {
	Refused                   string // why it is no reference; empty when it is one
	Domain, Path, Tag, Digest string
}

func main() {
	in, out := json.NewDecoder(os.Stdin), json.NewEncoder(os.Stdout)
	for in.More() {
		var text string
		if err := in.Decode(&text); err != nil {
			panic(err)
		}
		read := answer{}
		named, err := reference.ParseNormalizedNamed(text)
		if err != nil {
			read.Refused = err.Error()
		} else {
			read.Domain, read.Path = reference.Domain(named), reference.Path(named)
			if tagged, ok := named.(reference.Tagged); ok {
				read.Tag = tagged.Tag()
			}
			if digested, ok := named.(reference.Digested); ok {
				read.Digest = digested.Digest().String()
			}
		}
		if err := out.Encode(read); err != nil {
			panic(err)
		}
	}
}
