using Fairlead.Dns.Wire;

namespace Fairlead.Tests.Dns;

public class DnsNameTests
{
    [Theory]
    [InlineData("www.example.com", "www.example.com.")]
    [InlineData("www.example.com.", "www.example.com.")]
    [InlineData(".", ".")]
    [InlineData(@"a\.b.c", @"a\.b.c.")]
    [InlineData(@"\000\255\032.c", @"\000\255\032.c.")]
    [InlineData(@"\@\$\;.c", @"\@\$\;.c.")]
    [InlineData("*.Example.COM", "*.Example.COM.")]
    public void A_name_prints_in_one_form(string text, string printed) =>
        Assert.Equal(printed, DnsName.Parse(text).ToString());

    [Theory]
    [InlineData("")]
    [InlineData("..")]
    [InlineData("a..b")]
    [InlineData(".a")]
    [InlineData("a b")]
    [InlineData(@"a\25")]
    [InlineData(@"a\256")]
    [InlineData(@"a\")]
    [InlineData("caf\u00e9.example")]
    public void What_is_no_name_is_refused(string text) => Assert.False(DnsName.TryParse(text, out _));

    [Fact]
    public void Labels_have_63_bytes_and_names_255()
    {
        string label = new('a', 63);
        Assert.True(DnsName.TryParse(label, out _));
        Assert.False(DnsName.TryParse(label + "a", out _));
        string longest = $"{label}.{label}.{label}.{new string('b', 61)}";
        Assert.Equal(255, DnsName.Parse(longest).Wire.Length);
        Assert.Equal(255, DnsName.Parse(longest + ".").Wire.Length);
        Assert.False(DnsName.TryParse(longest + "b", out _));
        Assert.False(DnsName.TryParse(longest + "b.", out _));
        Assert.False(DnsName.TryParse(longest + ".c", out _));
        Assert.False(DnsName.TryParse(longest, DnsName.Parse("c"), out _));
        Assert.Throws<ArgumentException>(() => DnsName.Parse(longest).Prepend("c"));
        Assert.Equal(127, DnsName.Parse(string.Join('.', Enumerable.Repeat("a", 127))).LabelCount);
        Assert.False(DnsName.TryParse(string.Join('.', Enumerable.Repeat("a", 128)), out _));
    }

    [Fact]
    public void Case_is_kept_and_does_not_count()
    {
        DnsName one = DnsName.Parse("WWW.example.com"), other = DnsName.Parse("www.EXAMPLE.com");
        Assert.Equal(one, other);
        Assert.Equal(one.GetHashCode(), other.GetHashCode());
        Assert.NotEqual(one.ToString(), other.ToString());
        // RFC 4343 §3: only ASCII letters have a case.
        Assert.NotEqual(DnsName.Parse("@x".Replace("@", @"\@")), DnsName.Parse("`x"));
    }

    [Fact]
    public void Names_know_what_is_above_them()
    {
        DnsName name = DnsName.Parse("a.b.example.com"), zone = DnsName.Parse("Example.com");
        Assert.True(name.IsWithin(zone));
        Assert.True(name.IsWithin(name));
        Assert.True(name.IsWithin(DnsName.Root));
        Assert.False(zone.IsWithin(name));
        Assert.False(DnsName.Parse("badexample.com").IsWithin(zone));
        // The bytes of the one end in those of the other, but not at a label's border.
        Assert.False(DnsName.Parse(@"x\007example.com").IsWithin(DnsName.Parse("example.com")));
        Assert.Equal("b.example.com.", name.Parent.ToString());
        Assert.Equal(name, name.Parent.Prepend("A"));
        Assert.Equal(4, name.LabelCount);
        Assert.Equal(4, name.Labels.Count());
    }

    [Fact]
    public void Any_name_reads_back_as_it_was_printed() => Property.Holds(3000, random =>
    {
        DnsName name = Any(random);
        Assert.Equal(name.Wire.ToArray(), DnsName.Parse(name.ToString()).Wire.ToArray());
        Assert.True(DnsName.TryFromWire(name.Wire, out DnsName read));
        Assert.Equal(name, read);
        Assert.False(DnsName.TryFromWire([.. name.Wire, 0], out _));
        Assert.False(DnsName.TryFromWire(name.Wire[..^1], out _));
        Assert.Equal(0, name.CompareTo(read));
    });

    [Fact]
    public void Canonical_order_goes_by_labels_from_the_right()
    {
        // RFC 4034 §6.1, the example there.
        string[] sorted =
        [
            "example", "a.example", "yljkjljk.a.example", "Z.a.example", "zABC.a.EXAMPLE", "z.example",
                @"\001.z.example",
            "*.z.example", @"\200.z.example",
        ];
        DnsName[] names = [.. sorted.Select(DnsName.Parse)];
        Assert.Equal(names, names.Reverse().Order());
    }

    internal static DnsName Any(Random random)
    {
        DnsName name = DnsName.Root;
        for (int labels = random.Next(1, 8); labels > 0; labels--)
        {
            byte[] label = new byte[random.Next(5) == 0 ? random.Next(1, 64) : random.Next(1, 6)];
            random.NextBytes(label);
            if (label.Length + 1 + name.Wire.Length <= DnsName.WireBytesMax) name = name.Prepend(label);
        }

        return name;
    }
}
