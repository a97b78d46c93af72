using System.Net.Sockets;
using Fairlead.Net.Linux;

namespace Fairlead.Tests.Net;

public class DefaultGatewayTests
{
    // As Linux 6.18 printed them on a machine with two default routes of each family; the second ones have the better
    // metric.
    private const string V4 =
        "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n"
        + "eth0\t00000000\t0100000A\t0003\t0\t0\t200\t00000000\t0\t0\t0\n"
        + "eth1\t00000000\t0200000A\t0003\t0\t0\t100\t00000000\t0\t0\t0\n"
        + "eth2\t00000000\t00000000\t0001\t0\t0\t0\t00000000\t0\t0\t0\n" // To the link itself: nobody's address.
        + "eth3\t00000000\t0300000A\t0003\t0\t0\t0\t00000080\t0\t0\t0\n" // 0.0.0.0/1.
        + "eth0\t0000000A\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n";

    private const string Zero = "00000000000000000000000000000000";

    private const string V6 =
        $"{Zero} 00 {Zero} 00 fe800000000000000000000000000001 00000400 00000001 00000000 00000003     eth0\n"
        + $"{Zero} 00 {Zero} 00 fe800000000000000000000000000002 00000100 00000001 00000000 00000003     eth1\n"
        + $"{Zero} 00 {Zero} 00 {Zero} ffffffff 00000001 00000000 00200200       lo\n"
        + $"20010db8000100000000000000000000 40 {Zero} 00 {Zero} 00000100 00000001 00000000 00000001     eth0\n";

    [Fact]
    public void The_default_route_with_the_best_metric_is_the_gateway()
    {
        Gateway v4 = DefaultGateways.ParseV4(V4)!, v6 = DefaultGateways.ParseV6(V6)!;
        Assert.Equal(("10.0.0.2", "eth1"), (v4.Address.ToString(), v4.Interface));
        Assert.Equal(("fe80::2", "eth1"), (v6.Address.ToString(), v6.Interface));
    }

    [Fact]
    public void Without_one_there_is_none()
    {
        Assert.Null(DefaultGateways.ParseV4(""));
        Assert.Null(DefaultGateways.ParseV6("one two three\n"));
        Assert.Null(DefaultGateways.ParseV4(string.Join('\n', V4.Split('\n')[3..])));
    }

    [Fact]
    public void Damaged_tables_never_throw() => Property.Holds(2_000, random =>
    {
        foreach ((string table, Func<string, Gateway?> parse) in ((string, Func<string, Gateway?>)[])
            [(V4, DefaultGateways.ParseV4), (V6, DefaultGateways.ParseV6)])
        {
            char[] damaged = table.ToCharArray();
            for (int i = random.Next(6); i >= 0; i--) damaged[random.Next(damaged.Length)] = (char)random.Next(32, 127);
            _ = parse(new string(damaged));
        }
    });

    [Fact]
    public void The_machines_own_tables_are_read()
    {
        Gateway? own = DefaultGateways.Of(AddressFamily.InterNetwork);
        if (own is not null) Assert.Equal(AddressFamily.InterNetwork, own.Address.AddressFamily);
    }
}
