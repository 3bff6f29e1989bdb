package auth

import "math/big"

// rocaPrimes and the test below are the fingerprint that Nemec, Sys, Svenda, Klinec and Matyas published with "The Return of Coppersmith's
// Attack" (CVE-2017-15361). The faulty library made primes of the form k*M + (65537^a mod M), where M is a product of small primes. So
// modulo each of these primes such a modulus is a power of 65537. Of other moduli about one in 200 million has this property.
var rocaPrimes = []uint64{
	3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71, 73, 79, 83, 89, 97, 101, 103, 107, 109, 113, 127, 131, 137, 139,
	149, 151, 157, 163, 167,
}

// rocaGenerator is the base of the powers in the faulty library.
const rocaGenerator = 65537

// rocaPowers holds for each of rocaPrimes which remainders are powers of rocaGenerator.
var rocaPowers = func() [][]bool {
	all := make([][]bool, len(rocaPrimes))
	for i, p := range rocaPrimes {
		all[i] = make([]bool, p)
		for power := uint64(1); !all[i][power]; power = power * rocaGenerator % p {
			all[i][power] = true
		}
	}
	return all
}()

// rocaFingerprint reports whether an RSA modulus was made by the library of CVE-2017-15361. Its private key can be computed.
func rocaFingerprint(n *big.Int) bool {
	var remainder, divisor big.Int
	for i, p := range rocaPrimes {
		if !rocaPowers[i][remainder.Mod(n, divisor.SetUint64(p)).Uint64()] {
			return false
		}
	}
	return true
}
