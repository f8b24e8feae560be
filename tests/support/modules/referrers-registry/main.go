// Serves go-containerregistry's registry, in memory, with the Referrers API, which `crane registry serve` leaves off.
package main

import (
	"flag"
	"io"
	"log"
	"net/http"

	"github.com/google/go-containerregistry/pkg/registry"
)

func main() {
	address := flag.String("address", "", "host and port to listen on")
	flag.Parse()
	quiet := log.New(io.Discard, "", 0)
	handler := registry.New(registry.WithReferrersSupport(true), registry.Logger(quiet))
	log.Fatal(http.ListenAndServe(*address, handler))
}
