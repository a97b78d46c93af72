using Fairlead.Dns.Answering;
using Fairlead.Dns.Steering;
using Fairlead.Dns.Wire;
using static Fairlead.Tests.Dns.DnsTestBed;

namespace Fairlead.Tests.Dns;

public class AnswererTests
{
    private const string Soa =
        "example.com. 300 SOA ns1.example.com. hostmaster.example.com. 2026010101 7200 900 1209600 300";

    /// <summary>RFC 1034 §4.3.2: step 3a of the algorithm.</summary>
    [Fact]
    public void An_address_is_answered_with_authority()
    {
        Reply reply = Ask("wWw.Example.COM", RecordType.A);

        Assert.Equal(Rcode.NoError, reply.Rcode);
        Assert.True(reply.Authoritative);
        Assert.Equal("wWw.Example.COM.", reply.QuestionName);
        Assert.Equal(["wWw.Example.COM. 3600 A 192.0.2.80", "wWw.Example.COM. 3600 A 192.0.2.81"], reply.Answers);
        Assert.Empty(reply.Authorities);
        Assert.True(reply.HasOpt);
    }

    /// <summary>RFC 3596 §2: AAAA is a type of its own; a name without it is there all the same.</summary>
    [Fact]
    public void A_name_of_one_family_is_answered_for_it_and_has_no_data_for_the_other()
    {
        DnsTable table = DnsTable.Create(1, [Load("example.com", """
            @ 60 SOA ns h 1 1 1 1 30
            @ 60 NS ns.example.net.
            four 60 A 192.0.2.4
            six 60 AAAA 2001:db8::6
            """)], RegionMap.Empty, SteeringTable.Empty, "");
        Reply six = new(Ask(Query("six.example.com", RecordType.Aaaa), table: table));
        Assert.Equal(["six.example.com. 60 AAAA 2001:db8::6"], six.Answers);
        foreach ((string name, RecordType type) in (
            (string, RecordType)[])[("four.example.com", RecordType.Aaaa), ("six.example.com", RecordType.A)])
        {
            Reply none = new(Ask(Query(name, type), table: table));
            Assert.Equal((Rcode.NoError, 0, 1), (none.Rcode, none.Answers.Count, none.Authorities.Count));
        }
    }

    /// <summary>RFC 2308 §2.2: no data, and the SOA with the TTL of the denial (§5).</summary>
    [Theory]
    [InlineData("www.example.com", RecordType.Aaaa)]
    [InlineData("c.ent.example.com", RecordType.A)]
    [InlineData("ent.example.com", RecordType.A)]
    [InlineData("wild.example.com", RecordType.A)]
    [InlineData("cdn.example.com", RecordType.A)]
    [InlineData("x.wild.example.com", RecordType.Mx)]
    [InlineData("v4only.example.com", RecordType.Txt)]
    public void No_data_is_an_answer_with_the_soa(string name, RecordType type)
    {
        Reply reply = Ask(name, type);

        Assert.Equal(Rcode.NoError, reply.Rcode);
        Assert.True(reply.Authoritative);
        Assert.Empty(reply.Answers);
        Assert.Equal(name.StartsWith("v4only", StringComparison.Ordinal) ? [Soa.Replace(" 300 SOA", " 20 SOA")]
            : [Soa], reply.Authorities);
    }

    /// <summary>RFC 2308 §2.1: no such name.</summary>
    [Theory]
    [InlineData("nothing.example.com")]
    [InlineData("x.there.wild.example.com")]
    [InlineData("d.c.ent.example.com")]
    [InlineData("x.steered.example.com")]
    public void A_name_that_is_not_there_is_denied_with_the_soa(string name)
    {
        Reply reply = Ask(name, RecordType.A);

        Assert.Equal(Rcode.NxDomain, reply.Rcode);
        Assert.True(reply.Authoritative);
        Assert.Equal([Soa], reply.Authorities);
    }

    /// <summary>RFC 4592 §3.3.1: from the closest encloser.</summary>
    [Fact]
    public void A_wildcard_answers_in_the_name_that_was_asked()
    {
        Assert.Equal(["x.y.wild.example.com. 3600 A 192.0.2.99"], Ask("x.y.wild.example.com", RecordType.A).Answers);
        Assert.Equal(["*.wild.example.com. 3600 A 192.0.2.99"], Ask("*.wild.example.com", RecordType.A).Answers);
        // RFC 4592 §2.2.1: the name exists, so the wildcard does not stand for it.
        Assert.Empty(Ask("there.wild.example.com", RecordType.A).Answers);
        Assert.Equal(
            ["q.wcname.example.com. 3600 CNAME www.example.com.", "www.example.com. 3600 A 192.0.2.80",
                "www.example.com. 3600 A 192.0.2.81"],
            Ask("q.wcname.example.com", RecordType.A).Answers);
    }

    /// <summary>RFC 1034 §4.3.2: step 3b, a referral.</summary>
    [Theory]
    [InlineData("sub.example.com")]
    [InlineData("deep.er.sub.example.com")]
    [InlineData("ns.sub.example.com")]
    public void What_is_delegated_is_referred_with_glue_and_without_authority(string name)
    {
        Reply reply = Ask(name, RecordType.A);

        Assert.Equal(Rcode.NoError, reply.Rcode);
        Assert.False(reply.Authoritative);
        Assert.Empty(reply.Answers);
        Assert.Equal(["sub.example.com. 3600 NS ns.sub.example.com.",
            "sub.example.com. 3600 NS ns.other.example.net."], reply.Authorities);
        Assert.Equal(["ns.sub.example.com. 3600 A 192.0.2.53", "ns.sub.example.com. 3600 AAAA 2001:db8::53"],
            reply.Additionals);
    }

    /// <summary>RFC 4035 §3.1.4.1: the DS is the parent's.</summary>
    [Fact]
    public void The_parent_answers_for_ds_at_the_cut()
    {
        Reply reply = Ask("sub.example.com", RecordType.Ds);

        Assert.True(reply.Authoritative);
        Assert.Equal(["sub.example.com. 3600 DS 00010802"], reply.Answers);
    }

    [Fact]
    public void Chains_are_followed_to_their_end()
    {
        Assert.Equal(
            [
                "chain1.example.com. 3600 CNAME chain2.example.com.",
                    "chain2.example.com. 3600 CNAME alias.example.com.",
                "alias.example.com. 3600 CNAME www.example.com.", "www.example.com. 3600 A 192.0.2.80",
                "www.example.com. 3600 A 192.0.2.81",
            ],
            Ask("chain1.example.com", RecordType.A).Answers);
        Assert.Equal(["away.example.com. 3600 CNAME www.example.net."], Ask("away.example.com", RecordType.A).Answers);
        Assert.Equal(["chain1.example.com. 3600 CNAME chain2.example.com."],
            Ask("chain1.example.com", RecordType.Cname).Answers);
        Assert.Equal(2, Ask("loop1.example.com", RecordType.A).Answers.Count);
        // RFC 6604 §3: the code is that of the last name.
        Reply dangling = Ask("dangling.example.com", RecordType.A);
        Assert.Equal(Rcode.NxDomain, dangling.Rcode);
        Assert.Single(dangling.Answers);
        Reply delegated = Ask("intosub.example.com", RecordType.A);
        Assert.True(delegated.Authoritative);
        Assert.Equal(["intosub.example.com. 3600 CNAME deep.sub.example.com."], delegated.Answers);
        Assert.Equal(2, delegated.Authorities.Count);
    }

    [Fact]
    public void Targets_bring_their_addresses()
    {
        Assert.Equal(["mail.example.com. 3600 A 192.0.2.25"], Ask("example.com", RecordType.Mx).Additionals);
        Assert.Equal(["mail.example.com. 3600 A 192.0.2.25"], Ask("_sip._tcp.example.com", RecordType.Srv).Additionals);
        Assert.Equal(3, Ask("example.com", RecordType.Ns).Additionals.Count);
    }

    [Fact]
    public void What_is_not_ours_is_refused()
    {
        Assert.Equal(Rcode.Refused, Ask("www.example.net", RecordType.A).Rcode);
        Assert.Equal(Rcode.Refused, Ask(".", RecordType.Ns).Rcode);
        Assert.Equal(Rcode.Refused, Ask("example.com", RecordType.Axfr).Rcode);
        Assert.False(Ask("www.example.net", RecordType.A).Authoritative);
        Assert.Equal(Rcode.Refused, new Reply(Ask(Query("www.example.com", RecordType.A, null, null, 4))).Rcode);
    }

    /// <summary>RFC 8482 §4.1: one set of those that are there.</summary>
    [Fact]
    public void Any_gets_one_set() => Assert.Single(Ask("ns1.example.com", RecordType.Any).Answers);

    /// <summary>RFC 5001 §2.1, RFC 4892 §3: which node of an address answered.</summary>
    [Fact]
    public void The_server_says_its_name()
    {
        Reply chaos = new(Ask(Query("ID.server", RecordType.Txt, null, null, 3)));
        Assert.Equal(["ID.server. 0 TXT " + Convert.ToHexStringLower("\u0006node-1"u8)], chaos.Answers);
        Assert.Equal(Rcode.Refused, new Reply(Ask(Query("version.bind", RecordType.Txt, null, null, 3))).Rcode);

        Reply nsid = new(Ask(Query("www.example.com", RecordType.A, 1232, [0, 3, 0, 0])));
        Assert.Equal("node-1"u8.ToArray(), nsid.Options[3]);
        Assert.False(Ask("www.example.com", RecordType.A).Options.ContainsKey(3));
    }

    [Theory]
    [InlineData("192.0.2.200", null, "192.0.2.100", -1)]
    [InlineData("198.51.100.7", null, "192.0.2.101", -1)]
    [InlineData("2001:db8:1::7", null, "192.0.2.101", -1)]
    [InlineData("192.0.2.200", "203.0.113.0/24", "192.0.2.102", 24)]
    [InlineData("192.0.2.200", "203.0.113.128/25", "192.0.2.102", 24)]
    [InlineData("198.51.100.7", "192.0.2.0/24", "192.0.2.100", 6)]
    [InlineData("198.51.100.7", "0.0.0.0/0", "192.0.2.101", 0)]
    [InlineData("192.0.2.200", "2001:db8:1::/56", "192.0.2.101", 48)]
    [InlineData("192.0.2.200", "203.0.0.0/16", "192.0.2.100", 16)]
    public void Steering_goes_by_the_subnet_else_by_the_client(string client, string? subnet, string address, int scope)
    {
        Reply reply = Ask("steered.example.com", RecordType.A, client, subnet);

        Assert.Equal([$"steered.example.com. 30 A {address}"], reply.Answers);
        Assert.Equal(scope, reply.Scope);
    }

    [Fact]
    public void What_is_the_same_everywhere_has_scope_zero()
    {
        Assert.Equal(0, Ask("steered.example.com", RecordType.Aaaa, subnet: "203.0.113.0/24").Scope);
        Assert.Equal(0, Ask("www.example.com", RecordType.A, subnet: "203.0.113.0/24").Scope);
        Assert.Equal(0, Ask("nothing.example.com", RecordType.A, subnet: "203.0.113.0/24").Scope);
        Assert.Equal(0, Ask("v4only.example.com", RecordType.A, subnet: "203.0.113.0/24").Scope);
    }

    [Fact]
    public void A_steered_alias_is_answered_for_every_type_and_followed_inside()
    {
        Assert.Equal(
            ["x.cdn.example.com. 60 CNAME www.example.com.", "www.example.com. 3600 A 192.0.2.80",
                "www.example.com. 3600 A 192.0.2.81"],
            Ask("x.cdn.example.com", RecordType.A).Answers);
        Assert.Equal(
            ["x.cdn.example.com. 60 CNAME steered.example.com.", "steered.example.com. 30 A 192.0.2.101"],
            Ask("x.cdn.example.com", RecordType.A, "198.51.100.7").Answers);
        Reply away = Ask("x.cdn.example.com", RecordType.Mx, subnet: "203.0.113.0/24");
        Assert.Equal(["x.cdn.example.com. 60 CNAME edge.example.net."], away.Answers);
        Assert.Equal(24, away.Scope);
    }

    [Fact]
    public void A_chain_stops_where_its_scope_would_change()
    {
        Reply stopped = Ask("steeralias.example.com", RecordType.A, subnet: "203.0.113.0/24");
        Assert.Equal(["steeralias.example.com. 3600 CNAME steered.example.com."], stopped.Answers);
        Assert.Equal(0, stopped.Scope);
        Assert.Equal(2, Ask("steeralias.example.com", RecordType.A).Answers.Count);
        Assert.Equal(2, Ask("steeralias.example.com", RecordType.Aaaa, subnet: "203.0.113.0/24").Answers.Count);
    }
}
