using Fairlead.Bgp.Rpki;
using Fairlead.Net.Addresses;

namespace Fairlead.Tests.Rpki;

public class OriginValidationTests
{
    private static RoaPayload Roa(string prefix, int lengthMax, uint asn) =>
        new(Prefix.Parse(prefix), lengthMax, new Asn(asn));

    [Theory]
    [InlineData("192.0.2.0/24", 64500, OriginValidity.Valid)]
    [InlineData("192.0.2.0/24", 64501, OriginValidity.Invalid)] // Another origin.
    [InlineData("192.0.2.0/25", 64500, OriginValidity.Invalid)] // Longer than allowed.
    [InlineData("192.0.0.0/16", 64500, OriginValidity.NotFound)] // Shorter than what is covered.
    [InlineData("198.51.100.0/24", 64500, OriginValidity.NotFound)]
    [InlineData("10.1.0.0/16", 64502, OriginValidity.Valid)] // Up to the greatest length.
    [InlineData("10.1.2.0/24", 64502, OriginValidity.Valid)]
    [InlineData("10.1.2.0/25", 64502, OriginValidity.Invalid)]
    [InlineData("10.1.2.0/24", 64503, OriginValidity.Valid)] // One of several that cover it is enough.
    [InlineData("203.0.113.0/24", 64500, OriginValidity.Invalid)] // AS 0 allows nobody.
    [InlineData("203.0.113.0/24", 0, OriginValidity.Invalid)]
    [InlineData("2001:db8::/32", 64500, OriginValidity.Valid)]
    [InlineData("2001:db8:1::/48", 64500, OriginValidity.Valid)]
    [InlineData("2001:db8:1:2::/64", 64500, OriginValidity.Invalid)]
    [InlineData("2001:db9::/32", 64500, OriginValidity.NotFound)]
    [InlineData("0.0.0.0/0", 64500, OriginValidity.NotFound)]
    [InlineData("::/0", 64500, OriginValidity.NotFound)]
    public void A_route_is_valid_invalid_or_not_found(string prefix, uint origin, OriginValidity validity)
    {
        OriginValidation table = OriginValidation.Create(
        [
            Roa("192.0.2.0/24", 24, 64500), Roa("10.0.0.0/8", 24, 64502), Roa("10.1.2.0/24", 24, 64503),
            Roa("203.0.113.0/24", 32, 0), Roa("2001:db8::/32", 48, 64500),
        ]);

        Assert.Equal(validity, table.Of(Prefix.Parse(prefix), new Asn(origin)));
    }

    [Fact]
    public void The_ends_of_the_address_space_are_found()
    {
        OriginValidation table = OriginValidation.Create(
        [
            Roa("0.0.0.0/0", 0, 1), Roa("255.255.255.255/32", 32, 2), Roa("::/0", 0, 3),
            Roa("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff/128", 128, 4),
        ]);

        Assert.Equal(OriginValidity.Valid, table.Of(Prefix.Parse("0.0.0.0/0"), new Asn(1)));
        Assert.Equal(OriginValidity.Valid, table.Of(Prefix.Parse("255.255.255.255/32"), new Asn(2)));
        Assert.Equal(OriginValidity.Valid, table.Of(Prefix.Parse("::/0"), new Asn(3)));
        Assert.Equal(OriginValidity.Invalid, table.Of(Prefix.Parse("192.0.2.0/24"), new Asn(3)));
        Assert.Equal(OriginValidity.Valid,
            table.Of(Prefix.Parse("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff/128"), new Asn(4)));
    }

    [Fact]
    public void It_answers_as_a_plain_list_would() => Property.Holds(300, random =>
    {
        RoaPayload[] all = [.. Enumerable.Range(0, random.Next(1, 60)).Select(_ => Any(random))];
        OriginValidation table = OriginValidation.Create(all);
        Assert.Equal(all.Distinct().Order(), table.All().Order());
        for (int i = 0; i < 50; i++)
        {
            RoaPayload asked = Any(random);
            RoaPayload[] covering = [.. all.Where(one => one.Prefix.Contains(asked.Prefix)
                && one.Prefix.IsIPv4 == asked.Prefix.IsIPv4).Distinct()];
            OriginValidity expected = covering.Length == 0 ? OriginValidity.NotFound
                : covering.Any(one => one.Asn.Value != 0 && one.Asn == asked.Asn
                    && asked.Prefix.Length <= one.LengthMax) ? OriginValidity.Valid
                : OriginValidity.Invalid;
            Assert.Equal(expected, table.Of(asked.Prefix, asked.Asn));
            Assert.Equal(covering.Order(), table.Covering(asked.Prefix).Order());
        }
    });

    // Few addresses and lengths, so that they meet.
    internal static RoaPayload Any(Random random)
    {
        bool isIPv4 = random.Next(2) == 0;
        int longest = isIPv4 ? 32 : 128, length = random.Next(4) == 0 ? random.Next(longest + 1) : random.Next(6);
        UInt128 bits = isIPv4
            ? ((UInt128)0xffff << 32) | (UInt128)((ulong)random.Next(8) << 29)
            : (UInt128)(ulong)random.Next(8) << 125;
        Prefix prefix = Prefix.OfMapped(bits, isIPv4 ? 96 + length : length);
        return new RoaPayload(prefix, random.Next(length, longest + 1), new Asn((uint)random.Next(4)));
    }
}
