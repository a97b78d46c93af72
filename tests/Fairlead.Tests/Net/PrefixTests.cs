using System.Net;
using Fairlead.Net.Addresses;

namespace Fairlead.Tests.Net;

public class PrefixTests
{
    [Theory]
    [InlineData("192.0.2.0/24")]
    [InlineData("0.0.0.0/0")]
    [InlineData("2001:db8::/32")]
    [InlineData("::/0")]
    [InlineData("192.0.2.1/32")]
    [InlineData("2001:db8::1/128")]
    public void A_prefix_prints_as_it_was_read(string text) => Assert.Equal(text, Prefix.Parse(text).ToString());

    [Theory]
    [InlineData("192.0.2.1/24")]
    [InlineData("192.0.2/24")]
    [InlineData("192.0.2.0/33")]
    [InlineData("2001:db8::/129")]
    [InlineData("2001:db8::1/64")]
    [InlineData("fe80::1%eth0")]
    [InlineData("1")]
    [InlineData("010.0.0.1")]
    [InlineData("192.0.2.0/-1")]
    [InlineData("192.0.2.0/")]
    [InlineData("")]
    public void What_is_no_prefix_is_refused(string text) => Assert.False(Prefix.TryParse(text, out _));

    [Fact]
    public void Families_never_contain_each_other()
    {
        Assert.False(Prefix.Parse("::/0").Contains(Prefix.Parse("192.0.2.0/24")));
        Assert.False(Prefix.Parse("0.0.0.0/0").Contains(Prefix.Parse("2001:db8::/32")));
        Assert.True(Prefix.Parse("0.0.0.0/0").Contains(IPAddress.Parse("192.0.2.1")));
    }

    [Fact]
    public void The_longest_match_is_found_among_nested_prefixes() => Property.Holds(300, random =>
    {
        var trie = new PrefixTrie<Prefix>();
        var all = new List<Prefix>();
        for (int i = 0; i < 40; i++)
        {
            var bits = new UInt128(0x20010db8_00000000UL | (uint)random.Next(16), 0);
            Prefix prefix = Prefix.OfMapped(bits, random.Next(20, 70));
            all.Add(prefix);
            trie.Set(prefix, prefix);
        }

        Prefix asked = Prefix.OfMapped(new UInt128(0x20010db8_00000000UL | (uint)random.Next(16), 7), 128);
        Prefix? expected = all.Where(p => p.Contains(asked)).OrderByDescending(p => p.Length).Cast<Prefix?>()
            .FirstOrDefault();

        Assert.Equal(expected is not null, trie.TryLongest(asked, out Prefix match, out Prefix value));
        Assert.Equal(expected ?? default, match);
        Assert.Equal(expected ?? default, value);
    });
}
