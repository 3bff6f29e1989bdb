package main

import "testing"

func attackSocket(t *testing.T, n *town)     {}
func attackLogin(t *testing.T, n *town)      {}
func attackPrivilege(t *testing.T, n *town)  {}
func searchForSecrets(t *testing.T, n *town) {}
